import { ImgkitError, type Image, type Json, type Provider } from '@imgkit/core';
import { createHash } from 'node:crypto';
import { digestFile } from './communicator/file-transfer.ts';
import type { Provisioner } from './provisioner.ts';
import type { Recipe } from './recipe.ts';

/** Raised whenever the same recipe would give another image than before: it is part of every key. */
const bakeVersion = 1;

/**
 * The digest of a recipe with all files it uses, but without its source: 64 hexadecimal digits. Secrets, and what only makes a difference to how long
 * things take, are left out.
 *
 * @throws {@link ImgkitError} `INVALID_ARGUMENT` for a file that can't be read any more.
 */
export async function recipeDigest(recipe: Recipe, signal?: AbortSignal): Promise<string> {
  const steps = (list: readonly Provisioner[]) =>
    Promise.all(list.map((step) => describeStep(step, signal)));
  return digest({
    bakeVersion,
    name: recipe.name,
    provision: await steps(recipe.provision),
    verify: await steps(recipe.verify),
    family: recipe.family,
    seal:
      recipe.seal === false
        ? false
        : { packageCaches: recipe.seal?.packageCaches ?? false, logs: recipe.seal?.logs ?? true },
    user: recipe.user ?? null,
    diskSizeBytes: recipe.diskSizeBytes ?? null,
    labels: { ...recipe.labels },
  });
}

/** The key of an image: of all that went into it. Two bakes with the same key would give the same image, so that the first one's is used. */
export function bakeKey(parts: {
  readonly recipe: string;
  readonly source: Image;
  readonly provider: Provider;
  readonly version: string | undefined;
}): string {
  const { source, provider } = parts;
  const key = digest({
    recipe: parts.recipe,
    provider: { kind: provider.kind, name: provider.name, project: provider.project },
    source: source.digest ?? { id: source.ref.id, createdAt: source.createdAt },
    version: parts.version ?? null,
  });
  // It becomes the value of a label: at most 63 characters, in every cloud.
  return key.slice(0, 40);
}

async function describeStep(step: Provisioner, signal: AbortSignal | undefined): Promise<Json> {
  const files = await Promise.all(
    (step.files ?? []).map(async (path) => {
      try {
        return await digestFile(path, signal);
      } catch (error) {
        signal?.throwIfAborted();
        throw new ImgkitError('INVALID_ARGUMENT', `${step.label}: the file ${path} can't be read`, {
          resource: path,
          cause: error,
        });
      }
    }),
  );
  return { kind: step.kind, settings: step.settings, files };
}

/** The SHA-256 of plain data, whatever the order of its members. */
export function digest(value: Json): string {
  return createHash('sha256').update(canonical(value)).digest('hex');
}

function canonical(value: Json | undefined): string {
  if (Array.isArray(value)) return `[${value.map((item: Json) => canonical(item)).join()}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value ?? null);
  const members = Object.entries(value).filter(([, member]) => member !== undefined);
  return `{${members
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, member]) => `${JSON.stringify(name)}:${canonical(member)}`)
    .join()}}`;
}
