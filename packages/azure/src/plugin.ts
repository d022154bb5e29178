import { definePlugin, tokens } from '@imgkit/core';
import { ContainerModule, type ServiceIdentifier } from 'inversify';

import type { AzureClient } from './client.ts';
import { azureOptions } from './options.ts';
import {
  createClient,
  createParts,
  partNames,
  type AzureParts,
  type AzureSurroundings,
} from './provider.ts';
import { settings, type AzureSettings } from './settings.ts';

const allParts: ServiceIdentifier<AzureParts> = Symbol.for('@imgkit/azure/Parts');
const allSettings: ServiceIdentifier<AzureSettings> = Symbol.for('@imgkit/azure/Settings');
const surroundings: ServiceIdentifier<AzureSurroundings> = Symbol.for('@imgkit/azure/Surroundings');
const cloud: ServiceIdentifier<AzureClient> = Symbol.for('@imgkit/azure/Client');

/**
 * Microsoft Azure, over Azure's own SDK, which is loaded at the first call. Images are versions in a Compute Gallery,
 * families are its image definitions. The resource group and the gallery must stand.
 *
 * @throws {@link ImgkitError} with `INVALID_ARGUMENT` for options it doesn't know or can't take; `createImgkit` throws
 *   it if nobody says where to work.
 *
 * @example
 * ```ts
 * import { createImgkit } from '@imgkit/core';
 * import { azure } from '@imgkit/azure';
 *
 * await using kit = await createImgkit({
 *   providers: [
 *     azure({
 *       subscription: '00000000-0000-0000-0000-000000000001',
 *       resourceGroup: 'images',
 *       gallery: 'golden',
 *       location: 'westeurope',
 *       targetRegions: ['northeurope'],
 *     }),
 *   ],
 * });
 * const head = await kit.families.head('azure', 'web');
 * console.log(head?.ref.id);
 * ```
 */
export const azure = definePlugin({
  specVersion: 'v1',
  kind: 'azure',
  options: azureOptions,
  module: (options) =>
    new ContainerModule(({ bind }) => {
      bind(surroundings)
        .toResolvedValue(
          (name, retrier, clock, logger, engine) => ({ name, retrier, clock, logger, engine }),
          [tokens.providerName, tokens.retrier, tokens.clock, tokens.logger, tokens.engine],
        )
        .inSingletonScope();
      bind(allSettings)
        .toDynamicValue(() => settings(options))
        .inSingletonScope();
      bind(cloud).toResolvedValue(createClient, [allSettings, surroundings]).inSingletonScope();
      bind(allParts)
        .toResolvedValue(createParts, [allSettings, cloud, surroundings])
        .inSingletonScope();
      for (const name of partNames) {
        const id: ServiceIdentifier<AzureParts[keyof AzureParts]> = tokens[name];
        bind(id).toResolvedValue((parts: AzureParts) => parts[name], [allParts]);
      }
    }),
});
