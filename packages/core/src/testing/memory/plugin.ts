import { ContainerModule, type ServiceIdentifier } from 'inversify';
import * as z from 'zod';
import { definePlugin, type PluginFactory } from '../../plugin/define-plugin.ts';
import { tokens } from '../../plugin/tokens.ts';
import { capabilityNames, type CapabilityName } from '../../spec/provider.ts';
import { CloudState, memoryCloud, type MemoryCloud } from './cloud.ts';
import { createMemoryProvider, type MemoryProvider } from './provider.ts';

/** How the memory plugin is configured. */
export interface MemoryPluginOptions {
  /** The project it works in; `default` by default. */
  readonly project?: string | undefined;
  /** The cloud; an empty one of its own by default. */
  readonly cloud?: MemoryCloud | undefined;
  /** Capabilities that the provider shall not have. */
  readonly without?: readonly CapabilityName[] | undefined;
}

const memoryOptions: z.ZodType<MemoryPluginOptions, MemoryPluginOptions> = z.strictObject({
  project: z.string().min(1).optional(),
  cloud: z
    .custom<MemoryCloud>((value) => value instanceof CloudState, 'must come from memoryCloud()')
    .optional(),
  without: z.array(z.enum(capabilityNames)).readonly().optional(),
});

/** The provider in the plugin's own container. */
const memoryToken: ServiceIdentifier<MemoryProvider> = Symbol.for('@imgkit/MemoryProvider');

/**
 * The memory provider as a plugin, for the tests of what uses a whole kit.
 *
 * @example
 * ```ts
 * import { createImgkit } from '@imgkit/core';
 * import { memory, memoryCloud } from '@imgkit/core/testing';
 *
 * const cloud = memoryCloud();
 * await using kit = await createImgkit({
 *   providers: [
 *     memory({ name: 'prod', project: 'team-a', cloud }),
 *     memory({ name: 'lab', project: 'team-b', cloud, without: ['sharing'] }),
 *   ],
 * });
 * console.log(kit.providers.names());
 * ```
 */
export const memory: PluginFactory<MemoryPluginOptions> = definePlugin({
  specVersion: 'v1',
  kind: 'memory',
  options: memoryOptions,
  module: ({ project, cloud = memoryCloud(), without = [] }) =>
    new ContainerModule(({ bind }) => {
      bind(memoryToken)
        .toResolvedValue(
          (name: string) => createMemoryProvider({ name, project, cloud }),
          [tokens.providerName],
        )
        .inSingletonScope();
      const bindPart = <T>(
        token: ServiceIdentifier<T>,
        part: (provider: MemoryProvider) => T,
      ): void => {
        bind(token).toResolvedValue((provider: MemoryProvider): T => part(provider), [memoryToken]);
      };
      bindPart(tokens.connection, (provider) => provider);
      bindPart(tokens.images, ({ images }) => images);
      bindPart(tokens.owned, ({ owned }) => owned);
      for (const capability of capabilityNames) {
        if (without.includes(capability)) continue;
        bindPart<unknown>(tokens[capability], (provider) => provider[capability]);
      }
    }),
});
