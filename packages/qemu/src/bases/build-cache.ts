import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import {
  chmod,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  stat,
  writeFile,
} from 'node:fs/promises';
import { join, resolve } from 'node:path';

import { ImgkitError, throwIfAborted } from '@imgkit/core';
import {
  type FreeSpace,
  removeLeftover,
  requireSpace,
  syncPath,
  writeAtomically,
} from '@imgkit/core/local';
import { z } from 'zod';

import { fileError, systemCode } from '../errors.ts';
import type { BaseImage, BaseKind, BuildOptions, BuildProgress } from './base-image.ts';
import { takeLock, tryLock } from './build-lock.ts';

/** What a recipe works with. */
export interface Workshop {
  /** An empty directory for this build alone, on the same file system as the result. */
  readonly directory: string;
  readonly signal: AbortSignal | undefined;
  readonly report: (progress: BuildProgress) => void;
}

/** One way to make one image. */
export interface Recipe {
  readonly kind: BaseKind;
  readonly description: string;
  readonly defaultUser: string;
  /** Everything that the result depends on, in hex. */
  readonly digest: string;
  /** The most bytes that the build has on the disk at one time. */
  readonly requiredBytes: number;
  /** Makes a qcow2 file in the workshop and gives its path. Children have ended when it settles. */
  make(workshop: Workshop): Promise<string>;
}

const recordSchema = z.object({
  description: z.string(),
  defaultUser: z.string(),
  sha256: z.string(),
  sizeBytes: z.number(),
  builtAt: z.string(),
});

/** Gives the image of `recipe` from `directory`, and makes it there if nobody has. */
export async function buildOnce(
  directory: string,
  recipe: Recipe,
  options: BuildOptions = {},
  space?: FreeSpace,
): Promise<BaseImage> {
  const root = resolve(directory);
  const { signal, onProgress } = options;
  const report = (progress: BuildProgress): void => onProgress?.(progress);
  throwIfAborted(signal, 'building a base image');
  try {
    await mkdir(root, { recursive: true, mode: 0o700 });
    const ready = await find(root, recipe);
    if (ready !== undefined) return ready;
    const release = await takeLock(lockPath(root, keyOf(recipe)), signal, () =>
      report({ phase: 'waiting for another process that makes the same image' }),
    );
    try {
      const made = await find(root, recipe);
      if (made !== undefined) return made;
      await removeAbandoned(root, keyOf(recipe));
      await requireSpace(root, recipe.requiredBytes, space);
      return await make(root, recipe, { signal, report });
    } finally {
      release();
    }
  } catch (error) {
    throw fileError(error, root);
  }
}

async function make(
  root: string,
  recipe: Recipe,
  { signal, report }: Pick<Workshop, 'signal' | 'report'>,
): Promise<BaseImage> {
  const key = keyOf(recipe);
  const directory = await mkdtemp(join(root, `${key}${workMark}`));
  try {
    const file = await recipe.make({ directory, signal, report });
    report({ phase: 'computing the checksum' });
    const sha256 = await fileDigest(file, signal);
    await chmod(file, 0o444);
    await syncPath(file);
    const { size: sizeBytes } = await stat(file);
    throwIfAborted(signal, 'building a base image');
    await rename(file, imagePath(root, key));
    // The image counts from the moment that its record stands: not before it is whole.
    const record = {
      description: recipe.description,
      defaultUser: recipe.defaultUser,
      sha256,
      sizeBytes,
      builtAt: new Date().toISOString(),
    };
    await writeAtomically(
      recordPath(root, key),
      async (temporary) => {
        await writeFile(temporary, `${JSON.stringify(record, undefined, 2)}\n`);
      },
      { overwrite: true },
    );
    return image(root, recipe, record);
  } finally {
    await removeLeftover(directory);
  }
}

/** The finished image of `recipe`; `undefined` when there is none, or its file isn't what was recorded. */
async function find(root: string, recipe: Recipe): Promise<BaseImage | undefined> {
  const key = keyOf(recipe);
  try {
    const record = recordSchema.parse(JSON.parse(await readFile(recordPath(root, key), 'utf8')));
    const { size } = await stat(imagePath(root, key));
    return size === record.sizeBytes ? image(root, recipe, record) : undefined;
  } catch (error) {
    if (systemCode(error) === 'ENOENT' || error instanceof SyntaxError) return undefined;
    if (error instanceof z.ZodError) return undefined;
    throw error;
  }
}

function image(root: string, recipe: Recipe, record: z.infer<typeof recordSchema>): BaseImage {
  const { kind, digest } = recipe;
  const path = imagePath(root, keyOf(recipe));
  return { kind, arch: 'x86_64', recipeDigest: digest, path, ...record };
}

/** Removes the workshops of builders that died: those of `own`, whose lock we have, and of all other free ones. */
async function removeAbandoned(root: string, own: string): Promise<void> {
  for (const name of await readdir(root)) {
    const [key, rest] = name.split(workMark);
    if (key === undefined || rest === undefined) continue;
    const release = key === own ? () => {} : await tryLock(lockPath(root, key));
    if (release === undefined) continue;
    await removeLeftover(join(root, name)).catch(() => {
      // A program that outlived its builder may still be writing there; the next build tries again.
    });
    release();
  }
}

const workMark = '.work-';
const keyOf = ({ kind, digest }: Recipe): string => `${kind}-${digest.slice(0, 16)}`;
const imagePath = (root: string, key: string): string => join(root, `${key}.qcow2`);
const recordPath = (root: string, key: string): string => join(root, `${key}.json`);
const lockPath = (root: string, key: string): string => join(root, `${key}.lock`);

/** The SHA-256 of the file at `path`, in hex. */
export async function fileDigest(path: string, signal?: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) {
      throwIfAborted(signal, 'computing a checksum');
      hash.update(chunk);
    }
  } catch (error) {
    throw fileError(error, path);
  }
  return hash.digest('hex');
}

/** The digest of what a recipe says. */
export function recipeDigest(parts: unknown): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}

/** Refuses what is not a SHA-256 in hex. */
export function requireDigest(sha256: string): string {
  if (/^[\da-f]{64}$/i.test(sha256)) return sha256.toLowerCase();
  throw new ImgkitError('INVALID_ARGUMENT', `${JSON.stringify(sha256)} is not a SHA-256`, {
    hint: 'Give the 64 hexadecimal digits that the publisher of the image states.',
  });
}
