import {
  ImgkitError,
  type CallOptions,
  type Image,
  type Operation,
  type OperationControl,
} from '@imgkit/core';

import { flag, number, object, objects, text, type WireObject } from '../api/wire.ts';
import { tokenOf, type AzureContext } from '../context.ts';
import { invalid, readOptions } from '../images/image-request.ts';
import { isBusy, statusOf } from '../mapping.ts';
import type { OperationToken } from '../resources/operation-token.ts';
import { regionName, sameRegion } from '../resources/regions.ts';
import { formatId } from '../resources/resource-id.ts';
import {
  plainRegions,
  targetRegionsSchema,
  wireRegion,
  type AzureTargetRegion,
} from './target-regions.ts';
import { locateVersion, readImage, reasonOf, settledVersion, tellReplication } from './versions.ts';

/** How a version is in one of its regions. */
export interface AzureRegionStatus {
  /** `westeurope` */
  readonly name: string;
  readonly state: 'Unknown' | 'Replicating' | 'Completed' | 'Failed';
  /** In percent. */
  readonly progress: number;
  /** Why it failed, when it has. */
  readonly details: string | undefined;
  readonly replicaCount: number | undefined;
  readonly storageAccountType: string | undefined;
  /** Whether it is kept from being the latest in this region alone. */
  readonly excludeFromLatest: boolean;
  /** Whether it can be the latest in this region: it is there, and excluded neither here nor everywhere. */
  readonly mayBeLatest: boolean;
}

/** Where a version is. */
export interface AzureReplicationStatus {
  /** Whether it is kept from being the latest everywhere, whatever its regions say. */
  readonly excludeFromLatest: boolean;
  readonly regions: readonly AzureRegionStatus[];
}

/** A change of where a version is. */
export interface AzureReplicationChange {
  /** Regions that it is to be in, too, or that are to be kept in another way. */
  readonly set?: readonly (string | AzureTargetRegion)[] | undefined;
  /** Regions that it is to leave. The one that it was made in stays. */
  readonly remove?: readonly string[] | undefined;
}

const call = 'images.replicate';

/** Where the versions of a gallery are. */
export class AzureReplication {
  readonly #context: AzureContext;

  constructor(context: AzureContext) {
    this.#context = context;
    context.onResume(call, (token, control) => finish(context, token, control));
  }

  /** Tells where a version is, and how far: Azure says it only here, not in lists. */
  async status(id: string, options?: CallOptions): Promise<AzureReplicationStatus> {
    const context = this.#context;
    return context.call('images.replication', id, options, async () =>
      toStatus(
        await context.client.get(formatId(locateVersion(id)), { ...options, replication: true }),
      ),
    );
  }

  /**
   * Changes where a version is, by one PATCH. What regions that aren't named have stays, also what no client knows.
   *
   * @throws {@link ImgkitError} with `INVALID_ARGUMENT`, `NOT_FOUND`, and `OPERATION_FAILED` with the regions that failed;
   *   they can be tried again with {@link AzureReplication.retry}.
   */
  change(id: string, change: AzureReplicationChange, options?: CallOptions): Operation<Image> {
    const context = this.#context;
    return context.operation(call, id, options, async (control) => {
      const set = plainRegions(readOptions(targetRegionsSchema, change.set ?? [], 'replication'));
      const remove = (change.remove ?? []).map(regionName);
      if (set.length > 0)
        await context.regions.require(
          set.map(({ name }) => name),
          control,
        );
      return replicate(context, id, control, (version) => changedRegions(version, set, remove));
    });
  }

  /** Tries again what failed, and nothing else; does nothing when nothing has. */
  retry(id: string, options?: CallOptions): Operation<Image> {
    const context = this.#context;
    return context.operation(call, id, options, async (control) => {
      const { regions } = await this.status(id, control);
      const failed = regions.filter(({ state }) => state === 'Failed');
      if (failed.length === 0) return readImage(context, id, control);
      control.progress(`trying again: ${failed.map(({ name }) => name).join(', ')}`, 0);
      return replicate(context, id, control, regionsOf);
    });
  }
}

function profileOf(whole: WireObject): WireObject | undefined {
  return object(object(whole, 'properties'), 'publishingProfile');
}

function regionsOf(whole: WireObject): readonly WireObject[] {
  return objects(profileOf(whole), 'targetRegions');
}

/** The regions of a version after a change; those that aren't named are as they were, to the last field. */
function changedRegions(
  whole: WireObject,
  set: readonly AzureTargetRegion[],
  remove: readonly string[],
): readonly WireObject[] {
  const home = regionName(text(whole, 'location') ?? '');
  if (remove.includes(home))
    throw invalid(`a version can't leave ${home}`, 'It was made there: delete it, or keep it.');
  const both = set.find(({ name }) => remove.includes(name));
  if (both !== undefined)
    throw invalid(`${both.name} is to be set and removed`, 'Name each region once.');
  const old = regionsOf(whole).filter((one) => !remove.includes(nameOf(one)));
  const kept = old.map((one): WireObject => {
    const wish = set.find(({ name }) => sameRegion(name, nameOf(one)));
    if (wish === undefined) return one;
    const { name: _, ...changes } = wireRegion(wish, defaultsOf(one));
    const excluded = wish.excludeFromLatest ?? flag(one, 'excludeFromLatest');
    return { ...one, ...changes, excludeFromLatest: excluded };
  });
  const fresh = set.filter(({ name }) => old.every((one) => !sameRegion(name, nameOf(one))));
  return [...kept, ...fresh.map((region) => wireRegion(region))];
}

function nameOf(region: WireObject): string {
  return regionName(text(region, 'name') ?? '');
}

function defaultsOf(region: WireObject) {
  const said = text(region, 'storageAccountType');
  const storage = (['Standard_LRS', 'Standard_ZRS', 'Premium_LRS', 'PremiumV2_LRS'] as const).find(
    (one) => one === said,
  );
  return { replicaCount: number(region, 'regionalReplicaCount'), storageAccountType: storage };
}

async function replicate(
  context: AzureContext,
  id: string,
  control: OperationControl,
  change: (whole: WireObject) => readonly WireObject[],
): Promise<Image> {
  const target = formatId(locateVersion(id));
  for (let attempt = 1; ; attempt += 1) {
    await settledVersion(context, target, control);
    const whole = await context.client.getWhole(target, control);
    const targetRegions = change(whole);
    const changed = {
      properties: {
        storageProfile: {},
        publishingProfile: { targetRegions },
        safetyProfile: { allowDeletionOfReplicatedLocations: true },
      },
    };
    try {
      const operation = await context.client.patchWhole(target, changed, control);
      return await finish(context, tokenOf(call, operation ?? null, target), control);
    } catch (error) {
      const busy =
        ImgkitError.is(error, 'FAILED_PRECONDITION') && error.providerCode === 'Conflict';
      if (!busy || attempt === 5) throw error;
    }
  }
}

/** Waits until the version is where it is to be. */
async function finish(
  context: AzureContext,
  token: OperationToken,
  control: OperationControl,
): Promise<Image> {
  const { client } = context;
  const version = await context.wait(control, token, async (options) => {
    const seen = await client.get(token.target, { ...options, replication: true });
    tellReplication(seen, control);
    return isBusy(seen) ? undefined : seen;
  });
  if (statusOf(version) === 'READY') return readImage(context, token.target);
  throw await reasonOf(context, token, version);
}

function toStatus(version: WireObject): AzureReplicationStatus {
  const profile = object(version, 'publishingProfile');
  const everywhere = flag(profile, 'excludeFromLatest');
  const summary = objects(object(version, 'replicationStatus'), 'summary');
  return {
    excludeFromLatest: everywhere,
    regions: objects(profile, 'targetRegions').map((region) => {
      const seen = summary.find((one) => sameRegion(text(one, 'region') ?? '', nameOf(region)));
      const state = stateOf(seen);
      const excludeFromLatest = flag(region, 'excludeFromLatest');
      return {
        name: nameOf(region),
        state,
        progress: number(seen, 'progress') ?? 0,
        details: text(seen, 'details'),
        replicaCount: number(region, 'regionalReplicaCount'),
        storageAccountType: text(region, 'storageAccountType'),
        excludeFromLatest,
        mayBeLatest: state === 'Completed' && !everywhere && !excludeFromLatest,
      };
    }),
  };
}

function stateOf(seen: WireObject | undefined): AzureRegionStatus['state'] {
  const said = text(seen, 'state');
  const states = ['Replicating', 'Completed', 'Failed'] as const;
  return states.find((state) => state === said) ?? 'Unknown';
}
