import { ImgkitError } from '../spec/errors.ts';

/**
 * What a call gives; nothing when what it is about isn't there.
 *
 * @throws Whatever the call throws, but `NOT_FOUND`.
 *
 * @example
 * ```ts
 * import { ifThere, type Images } from '@imgkit/core';
 *
 * const nameOf = async (images: Images, id: string): Promise<string | undefined> =>
 *   (await ifThere(() => images.get(id)))?.name;
 * console.log(nameOf.name);
 * ```
 */
export async function ifThere<T>(call: () => Promise<T>): Promise<T | undefined> {
  try {
    return await call();
  } catch (error) {
    if (ImgkitError.is(error, 'NOT_FOUND')) return undefined;
    throw error;
  }
}
