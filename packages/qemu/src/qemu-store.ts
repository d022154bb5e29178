import {
  ImgkitError,
  startOperation,
  type CallOptions,
  type Image,
  type Images,
  type Operation,
  type Provider,
  type Transfer,
} from '@imgkit/core';

import type { BaseBuilder, BaseKind } from './bases/base-image.ts';
import type { LocalContext } from './resources/context.ts';
import type { CollectOptions, GarbageItem } from './store/garbage.ts';
import type { StoreProblem } from './store/verification.ts';

/** What an imported base image is called. */
export interface ImportBaseOptions extends CallOptions {
  /** The family it becomes the head of: `debian-12` or `tiny` for those we build; needed for a cloud image. */
  readonly family?: string | undefined;
}

/** What can be done with the store of a QEMU provider beside the contract. */
export interface QemuStore {
  /** Its directory. */
  readonly directory: string;

  /**
   * Makes a base image, unless it was made before, and publishes it to its family. Doing so again
   * gives the same image at once.
   *
   * @throws {@link ImgkitError} as {@link BaseBuilder.build} and `transfer.import` do.
   */
  importBase(builder: BaseBuilder, options?: ImportBaseOptions): Operation<Image>;

  /**
   * Removes the data that no image, snapshot, disk or machine needs any more, and what killed processes left.
   *
   * @returns What was removed, or with `dryRun` what would be, each with its reason.
   */
  collectGarbage(options?: CollectOptions): Promise<readonly GarbageItem[]>;

  /** Checks the catalog and the digest of every file; gives each problem as it is found. Reads every byte. */
  verify(options?: CallOptions): AsyncIterable<StoreProblem>;
}

const families: Readonly<Partial<Record<BaseKind, string>>> = { debian: 'debian-12', tiny: 'tiny' };
const stores = new WeakMap<Images, LocalContext>();

/** Remembers in which store a provider's images are. */
export function registerStore(images: Images, context: LocalContext): void {
  stores.set(images, context);
}

/**
 * Gives the store of a QEMU provider.
 *
 * @throws {@link ImgkitError} with `INVALID_ARGUMENT` for any other provider.
 *
 * @example
 * ```ts
 * import { createImgkit } from '@imgkit/core';
 * import { debianBase, qemu, qemuStore } from '@imgkit/qemu';
 *
 * await using kit = await createImgkit({ providers: [qemu()] });
 * const store = qemuStore(kit.providers.get('qemu'));
 * const base = await store.importBase(debianBase());
 * console.log(base.name, base.family);
 * for (const { path, reason } of await store.collectGarbage({ dryRun: true })) console.log(path, reason);
 * ```
 */
export function qemuStore(provider: Provider): QemuStore {
  const context = stores.get(provider.images);
  const { transfer } = provider;
  if (context === undefined || transfer === undefined) {
    throw new ImgkitError('INVALID_ARGUMENT', `provider "${provider.name}" has no local store`, {
      provider: provider.name,
      hint: 'Give a provider made with qemu().',
    });
  }
  return {
    directory: context.root,
    importBase: (builder, options) => importBase(context, transfer, builder, options),
    collectGarbage: async (options) => (await context.store()).gc(options),
    async *verify(options) {
      yield* (await context.store()).verify(options);
    },
  };
}

function importBase(
  context: LocalContext,
  transfer: Transfer,
  builder: BaseBuilder,
  options: ImportBaseOptions = {},
): Operation<Image> {
  return startOperation(async ({ signal, progress }) => {
    const family = options.family ?? families[builder.kind];
    if (family === undefined) {
      throw new ImgkitError('INVALID_ARGUMENT', 'a cloud image needs the name of a family', {
        provider: context.provider,
        operation: 'importBase',
        hint: "Give it: importBase(cloudImage(…), { family: 'debian-12' }).",
      });
    }
    const { layout } = await context.store();
    const base = await builder.build(layout.bases, {
      signal,
      onProgress: ({ phase, fraction }) => progress(phase, fraction),
    });
    const imported = transfer.import(
      {
        name: `${family}-${base.recipeDigest.slice(0, 12)}`,
        from: base.path,
        format: 'qcow2',
        digest: `sha256:${base.sha256}`,
        family,
        staged: false,
        architecture: base.arch,
        description: base.description,
        labels: { 'imgkit-base': base.kind },
        idempotencyKey: `base-${family}-${base.recipeDigest}`,
      },
      { signal },
    );
    for await (const { message, fraction } of imported) progress(message, fraction);
    return imported;
  }, options);
}
