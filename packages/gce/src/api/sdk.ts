import { ImgkitError } from '@imgkit/core';

import type { ApiService } from '../client.ts';

/** A method of one of Google's clients: the request, the options, and the answer first in a list. */
export type SdkMethod = (request: object, options: object) => Promise<unknown>;

/** One of Google's clients, as far as it is used. */
export interface SdkClient {
  initialize(): Promise<unknown>;
  close(): Promise<void>;
  readonly innerApiCalls: Readonly<Record<string, SdkMethod>>;
}

type SdkConstructor = new (options: object) => SdkClient;

/** Names the kebab or snake cased file of a service: `images` -> `images_client`. */
function fileOf(service: ApiService): string {
  return `${service.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)}_client`;
}

/**
 * Loads the class of one service: its file alone, since the whole library takes a second to load. The
 * specifier is put together here so that no compiler reads Google's 900,000 lines of types.
 */
export async function loadSdkClient(service: ApiService): Promise<SdkConstructor> {
  const name = `${service.charAt(0).toUpperCase()}${service.slice(1)}Client`;
  const path = `@google-cloud/compute/build/src/v1/${fileOf(service)}.js`;
  const module: unknown = await import(path);
  for (const place of [module, field(module, 'default')]) {
    const found = field(place, name);
    if (isConstructor(found)) return found;
  }
  throw new ImgkitError('PROTOCOL', `@google-cloud/compute has no ${name}`, {
    hint: 'Install a version of it that @imgkit/gce names in its package.json.',
  });
}

function isConstructor(value: unknown): value is SdkConstructor {
  return typeof value === 'function';
}

function field(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined;
}
