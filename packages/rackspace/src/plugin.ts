import { definePlugin, tokens } from '@imgkit/core';
import { ContainerModule, type ServiceIdentifier } from 'inversify';

import { rackspaceOptions } from './options.ts';
import { capabilities, createParts, type RackspaceParts } from './provider.ts';

const allParts: ServiceIdentifier<RackspaceParts> = Symbol.for('@imgkit/rackspace/Parts');

/**
 * OpenStack, and Rackspace's clouds: any cloud with Keystone, Glance and Nova, configured as every OpenStack
 * tool is.
 *
 * @throws {@link ImgkitError} with `INVALID_ARGUMENT` for options it doesn't know or can't take. That the
 *   configuration is whole is checked when the kit is made.
 *
 * @example
 * ```ts
 * import { createImgkit } from '@imgkit/core';
 * import { rackspace } from '@imgkit/rackspace';
 *
 * // A cloud of clouds.yaml, and Rackspace's OpenStack Flex with an API key.
 * await using kit = await createImgkit({
 *   providers: [
 *     rackspace({ name: 'lab', cloud: 'lab' }),
 *     rackspace({
 *       profile: 'rackspace-flex',
 *       region: 'dfw3',
 *       username: 'images',
 *       apiKey: process.env['RACKSPACE_API_KEY'],
 *       projectName: 'acme-images',
 *     }),
 *   ],
 * });
 * await kit.providers.get('lab').check();
 * ```
 */
export const rackspace = definePlugin({
  specVersion: 'v1',
  kind: 'rackspace',
  options: rackspaceOptions,
  module: (options) =>
    new ContainerModule(({ bind }) => {
      bind(allParts)
        .toResolvedValue(
          (name, retrier, clock) => createParts(name, options, { retrier, clock }),
          [tokens.providerName, tokens.retrier, tokens.clock],
        )
        .inSingletonScope();
      for (const name of ['connection', 'images', 'owned', ...capabilities] as const) {
        const id: ServiceIdentifier<RackspaceParts[typeof name]> = tokens[name];
        bind(id).toResolvedValue((parts: RackspaceParts) => parts[name], [allParts]);
      }
    }),
});
