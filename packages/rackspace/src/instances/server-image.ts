import type { NovaServer } from '../nova/nova-server.ts';

/** The id of the image that a server was launched from; nothing when it booted from a volume. */
export function imageOf({ image }: NovaServer): string | undefined {
  return typeof image === 'object' && image !== null ? image.id : undefined;
}
