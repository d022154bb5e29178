export { isGceImage, type GceDeprecation, type GceImage } from './mapping/image.ts';
export type { GceImageOptions } from './image-request.ts';
export type { GceCredentials, GceOptions } from './options.ts';
export { gce } from './plugin.ts';
