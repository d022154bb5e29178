import { definePlugin, tokens } from '@imgkit/core';
import { ContainerModule, type ServiceIdentifier } from 'inversify';

import type { Credentials } from './api/credentials.ts';
import type { GceClient } from './client.ts';
import { gceOptions } from './options.ts';
import {
  createClient,
  createCredentials,
  createParts,
  partNames,
  type GceParts,
  type GceSurroundings,
} from './provider.ts';
import { settings, type GceSettings } from './settings.ts';

const allParts: ServiceIdentifier<GceParts> = Symbol.for('@imgkit/gce/Parts');
const allSettings: ServiceIdentifier<GceSettings> = Symbol.for('@imgkit/gce/Settings');
const surroundings: ServiceIdentifier<GceSurroundings> = Symbol.for('@imgkit/gce/Surroundings');
const credentialsOf: ServiceIdentifier<Credentials> = Symbol.for('@imgkit/gce/Credentials');
const cloud: ServiceIdentifier<GceClient> = Symbol.for('@imgkit/gce/Client');

/**
 * Google Compute Engine, over Google's own client, which is loaded at the first call.
 *
 * @throws {@link ImgkitError} with `INVALID_ARGUMENT` for options it doesn't know or can't take; `createImgkit` throws
 *   it if nobody says which project.
 *
 * @example
 * ```ts
 * import { createImgkit, family } from '@imgkit/core';
 * import { gce } from '@imgkit/gce';
 *
 * await using kit = await createImgkit({
 *   providers: [gce({ name: 'prod', project: 'acme-images', zone: 'us-central1-a' })],
 * });
 * const { image } = await kit.images.forUse(family('debian-12', { project: 'debian-cloud' }));
 * console.log(image.ref.id);
 * ```
 */
export const gce = definePlugin({
  specVersion: 'v1',
  kind: 'gce',
  options: gceOptions,
  module: (options) =>
    new ContainerModule(({ bind }) => {
      bind(surroundings)
        .toResolvedValue(
          (name, retrier, clock, logger) => ({ name, retrier, clock, logger }),
          [tokens.providerName, tokens.retrier, tokens.clock, tokens.logger],
        )
        .inSingletonScope();
      bind(allSettings)
        .toDynamicValue(() => settings(options))
        .inSingletonScope();
      bind(credentialsOf).toResolvedValue(createCredentials, [allSettings]).inSingletonScope();
      bind(cloud)
        .toResolvedValue(createClient, [allSettings, credentialsOf, surroundings])
        .inSingletonScope();
      bind(allParts)
        .toResolvedValue(createParts, [allSettings, cloud, credentialsOf, surroundings])
        .inSingletonScope();
      for (const name of partNames) {
        const id: ServiceIdentifier<GceParts[keyof GceParts]> = tokens[name];
        bind(id).toResolvedValue((parts: GceParts) => parts[name], [allParts]);
      }
    }),
});
