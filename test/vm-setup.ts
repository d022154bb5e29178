import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ImgkitError } from '@imgkit/core';
import { tinyBase, type BaseImage } from '@imgkit/qemu';
import type { TestProject } from 'vitest/node';

/** The tiny base image, or why this machine can't make it: skip the test with that reason. */
export type TinyBase =
  | { readonly image: BaseImage; readonly missing?: undefined }
  | { readonly image?: undefined; readonly missing: string };

declare module 'vitest' {
  interface ProvidedContext {
    /** A directory for what the tests with machines share; it is removed after the last of them. Read it with `inject`. */
    vmDirectory: string;
    /** A base image that boots within seconds. */
    tinyBase: TinyBase;
  }
}

/**
 * Runs once, before the first test with a machine. The base image is kept between runs in `$IMGKIT_TEST_CACHE`,
 * if that is set. What vitest runs here comes from the packages' builds, unlike the tests themselves.
 */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const directory = await mkdtemp(join(tmpdir(), 'imgkit-vm-'));
  const remove = () => rm(directory, { recursive: true, force: true });
  project.provide('vmDirectory', directory);
  try {
    project.provide('tinyBase', await makeTinyBase(process.env['IMGKIT_TEST_CACHE'] ?? directory));
  } catch (error) {
    await remove();
    throw error;
  }
  return remove;
}

async function makeTinyBase(directory: string): Promise<TinyBase> {
  try {
    return { image: await tinyBase().build(join(directory, 'bases')) };
  } catch (error) {
    if (!ImgkitError.is(error, 'FAILED_PRECONDITION')) throw error;
    return { missing: `${error.message}. ${error.hint ?? ''}` };
  }
}
