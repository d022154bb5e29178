import { formatProcess, parseProcess, systemProcesses } from '@imgkit/core/local';

import { propertyOf, type GlanceImage } from '../glance/glance-image.ts';
import { properties } from '../mapping.ts';

/** This process, as images that it makes name it. */
export function thisProcess(): string {
  return formatProcess(systemProcesses.self());
}

/** Whether the process that makes an image lives; `undefined` when that can't be told from here. */
export function isMakerAlive(image: GlanceImage): boolean | undefined {
  const maker = parseProcess(propertyOf(image, properties.maker) ?? '');
  return maker && systemProcesses.isAlive(maker);
}
