import { capabilityNames, definePlugin, tokens } from '@imgkit/core';
import { ContainerModule, type ServiceIdentifier } from 'inversify';

import { qemuOptions, settings } from './options.ts';
import { createParts, type QemuParts } from './provider.ts';

const allParts: ServiceIdentifier<QemuParts> = Symbol.for('@imgkit/qemu/Parts');

/**
 * The embedded provider: images in a local store, machines as QEMU processes of this user. It needs no account
 * and no network; it needs `qemu-system-x86_64` and `qemu-img`.
 *
 * @throws {@link ImgkitError} with `INVALID_ARGUMENT` for options it doesn't know or can't take.
 *
 * @example
 * ```ts
 * import { createImgkit } from '@imgkit/core';
 * import { qemu } from '@imgkit/qemu';
 *
 * await using kit = await createImgkit({
 *   providers: [qemu(), qemu({ name: 'team-b', project: 'team-b' })],
 * });
 * await kit.providers.get('qemu').check();
 * ```
 */
export const qemu = definePlugin({
  specVersion: 'v1',
  kind: 'qemu',
  options: qemuOptions,
  module: (options) =>
    new ContainerModule(({ bind }) => {
      bind(allParts)
        .toResolvedValue((name) => createParts(name, settings(options)), [tokens.providerName])
        .inSingletonScope();
      for (const name of ['connection', 'images', 'owned', ...capabilityNames] as const) {
        const id: ServiceIdentifier<QemuParts[keyof QemuParts]> = tokens[name];
        bind(id).toResolvedValue((parts: QemuParts) => parts[name], [allParts]);
      }
    }),
});
