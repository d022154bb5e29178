import {
  ImgkitError,
  type CallOptions,
  type CreateFleetRequest,
  type Fleet,
  type Fleets,
  type FleetsTraits,
  type Labels,
  type Operation,
  type OperationControl,
  type RolloutRequest,
} from '@imgkit/core';

import { instant, object, text, textMap, type WireObject } from './api/wire.ts';
import type { AzureContext } from './context.ts';
import { changeTags, checkCount } from './fleets/bounded-rollout.ts';
import { cancelUpgrade } from './fleets/cancellation.ts';
import { changeSet, fleetChanges, finishChange } from './fleets/fleet-changes.ts';
import { createFleet, type ShownSet } from './fleets/fleet-creation.ts';
import { rolloutOf, withOwn, writeRollout } from './fleets/fleet-note.ts';
import { readSet, setType, showFleet } from './fleets/fleet-view.ts';
import { startRollback, startRollout } from './fleets/rollout.ts';
import { rolloutGoesOn } from './fleets/standing-rollout.ts';
import { ownSpelling } from './resources/resource-id.ts';
import {
  deleteResource,
  listResources,
  resumeResource,
  type ResourceKind,
} from './resources/resource-calls.ts';
import { fromTags } from './resources/tags.ts';

/** A fleet as clean-up sees it: without a look at its machines. */
export interface OwnedFleet {
  readonly id: string;
  readonly name: string;
  readonly createdAt: string;
  readonly labels: Labels;
}

/**
 * Virtual machine scale sets, whose machines are alike. What is changed of one is one PATCH that names the image, and
 * no more than has to change: all else stays, also what no client knows. In `manual` mode imgkit carries rollouts out
 * itself, and notes them in a tag: any process can go on with the token. In the other modes Azure does.
 */
export class AzureFleets implements Fleets {
  readonly traits: FleetsTraits = { canary: true, pause: true, surge: true };
  readonly #context: AzureContext;
  readonly #kind: ResourceKind<ShownSet>;

  constructor(context: AzureContext) {
    this.#context = context;
    this.#kind = {
      what: 'scale set',
      type: setType,
      capability: 'fleets',
      onlyNew: true,
      show: (native) => ({
        name: text(native, 'name') ?? '',
        labels: fromTags(textMap(native, 'tags')),
        native,
      }),
    };
    resumeResource(context, this.#kind, ({ native }, control) =>
      showFleet(context, native, control),
    );
    for (const call of fleetChanges)
      context.onResume(call, (token, control) => finishChange(context, token, control));
  }

  async get(id: string, options?: CallOptions): Promise<Fleet> {
    const context = this.#context;
    return context.call('fleets.get', id, options, async () =>
      showFleet(context, await readSet(context, id, options), options),
    );
  }

  list(
    filter?: { readonly name?: string | undefined; readonly labels?: Labels | undefined },
    options?: CallOptions,
  ): AsyncIterable<Fleet> {
    const context = this.#context;
    const sets = listResources(context, this.#kind, filter, undefined, options);
    return context.listing('fleets.list', undefined, options, async function* shown() {
      for await (const { native } of sets) yield showFleet(context, native, options);
    });
  }

  /**
   * What carries labels, for clean-up.
   *
   * @internal
   */
  listOwned(labels: Labels, options: CallOptions = {}): AsyncIterable<OwnedFleet> {
    const context = this.#context;
    const sets = listResources(context, this.#kind, { labels }, undefined, options);
    return context.listing('fleets.list', undefined, options, async function* owned() {
      for await (const { name, labels: own, native } of sets)
        yield {
          id: ownSpelling(text(native, 'id') ?? '', context.gallery),
          name,
          createdAt: instant(native, 'timeCreated') ?? new Date(0).toISOString(),
          labels: own,
        };
    });
  }

  create(request: CreateFleetRequest, options?: CallOptions): Operation<Fleet> {
    return this.#context.operation('fleets.create', request.name, options, (control) =>
      createFleet(this.#context, this.#kind, request, control),
    );
  }

  resize(id: string, size: number, options?: CallOptions): Operation<Fleet> {
    return this.#change('fleets.resize', id, options, async (set, control) => {
      checkCount(size);
      if (rolloutOf(set) !== undefined) throw rolloutGoesOn(id);
      const sku = { ...namesOf(object(set, 'sku')), capacity: size };
      return changeSet(this.#context, 'fleets.resize', id, { sku }, control);
    });
  }

  /**
   * Rolls another image out. With `mode: 'manual'` machines are made and removed within the bounds; with `rolling`
   * Azure replaces their disks batch by batch, as `providerOptions.rolling` says, and with `automatic` all at once:
   * there the bounds don't count. The same call again goes on with a rollout that a process left behind.
   *
   * @throws {@link ImgkitError} with `OPERATION_FAILED` when Azure ends a rolling upgrade, with the machines that are
   *   the reason in its `data`.
   */
  rollOut(request: RolloutRequest, options?: CallOptions): Operation<Fleet> {
    return this.#change('fleets.rollOut', request.fleet, options, (set, control) =>
      startRollout(this.#context, request, set, control),
    );
  }

  async pause(id: string, options?: CallOptions): Promise<Fleet> {
    const context = this.#context;
    return context.call('fleets.pause', id, options, async () => {
      await this.#note(id, false, options);
      return showFleet(context, await readSet(context, id, options), options);
    });
  }

  unpause(id: string, options?: CallOptions): Operation<Fleet> {
    return this.#change('fleets.unpause', id, options, async (set, control) => {
      const note = rolloutOf(set);
      if (note?.paused !== true) throw noRollout(id);
      const tags = withOwn(set, { rollout: writeRollout({ ...note, paused: undefined }) });
      return changeSet(this.#context, 'fleets.unpause', id, { tags }, control);
    });
  }

  rollBack(id: string, options?: CallOptions): Operation<Fleet> {
    return this.#change('fleets.rollBack', id, options, (set, control) =>
      startRollback(this.#context, id, set, control),
    );
  }

  delete(id: string, options?: CallOptions): Operation<void> {
    return deleteResource(this.#context, this.#kind, id, options);
  }

  /**
   * Ends a rollout where it is: Azure's own after the batch it is at, imgkit's after the machine it is at. Machines
   * that are new stay so; {@link AzureFleets.rollBack} goes back.
   *
   * @throws {@link ImgkitError} with `NOT_FOUND`, or `FAILED_PRECONDITION` if there is no rollout.
   */
  async cancel(id: string, options?: CallOptions): Promise<Fleet> {
    const context = this.#context;
    return context.call('fleets.cancel', id, options, async () => {
      const set = await readSet(context, id, options);
      if (rolloutOf(set) === undefined) await cancelUpgrade(context, id, options);
      else await this.#note(id, true, options);
      return showFleet(context, await readSet(context, id, options), options);
    });
  }

  /** Pauses, or ends, a rollout that imgkit carries out. */
  async #note(id: string, isEnd: boolean, options: CallOptions | undefined): Promise<void> {
    const context = this.#context;
    for (;;) {
      const set = await readSet(context, id, options);
      const note = rolloutOf(set);
      if (note === undefined && text(object(set, 'upgradePolicy'), 'mode') !== 'Manual')
        throw new ImgkitError('UNSUPPORTED', 'a rolling upgrade of Azure’s can’t be paused', {
          resource: id,
          hint: 'Cancel it, or roll out with providerOptions: { mode: "manual" }.',
        });
      if (note === undefined || (note.paused === true && !isEnd)) throw noRollout(id);
      const rollout = isEnd ? undefined : writeRollout({ ...note, paused: true });
      if (await changeTags(context, id, set, { rollout }, options ?? {})) return;
    }
  }

  #change(
    call: (typeof fleetChanges)[number],
    id: string,
    options: CallOptions | undefined,
    body: (set: WireObject, control: OperationControl) => Promise<Fleet>,
  ): Operation<Fleet> {
    const context = this.#context;
    return context.operation(call, id, options, async (control) =>
      body(await readSet(context, id, control), control),
    );
  }
}

/**
 * Whether a provider's fleets are Azure's, which can be cancelled.
 *
 * @example
 * ```ts
 * import { isAzureFleets } from '@imgkit/azure';
 * import type { Provider } from '@imgkit/core';
 *
 * async function stop({ fleets }: Provider, id: string) {
 *   if (isAzureFleets(fleets)) await fleets.cancel(id);
 * }
 * ```
 */
export function isAzureFleets(fleets: unknown): fleets is Fleets & Pick<AzureFleets, 'cancel'> {
  return fleets instanceof AzureFleets;
}

/** What of a size has to be named in each change of it. */
function namesOf(sku: WireObject | undefined): WireObject {
  const [name, tier] = [text(sku, 'name'), text(sku, 'tier')];
  return { ...(name === undefined ? {} : { name }), ...(tier === undefined ? {} : { tier }) };
}

function noRollout(id: string): ImgkitError {
  return new ImgkitError('FAILED_PRECONDITION', `fleet "${id}" has no rollout`, {
    resource: id,
    hint: 'Only what goes on can be paused, and only what is paused can go on.',
  });
}
