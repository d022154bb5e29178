import {
  ifThere,
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

import { number, text, type WireObject } from './api/wire.ts';
import { tokenOf, type GceContext } from './context.ts';
import {
  FleetChanges,
  fleetChanges,
  patchOf,
  rememberToken,
  type FleetChange,
} from './fleets/fleet-changes.ts';
import { createFleet } from './fleets/fleet-creation.ts';
import { readNote } from './fleets/fleet-note.ts';
import { callOnGroup, locateGroup } from './fleets/fleet-place.ts';
import {
  checkFleetTemplate,
  makeTemplate,
  ownTemplates,
  planTemplate,
  readTemplate,
} from './fleets/fleet-templates.ts';
import { readGroup, showFleet } from './fleets/fleet-view.ts';
import { isPaused, isSettled, nextVersions, templateBefore } from './fleets/group-state.ts';
import { checkCount, isRollingOut, toUpdatePolicy, withType } from './fleets/rollout.ts';
import { hasLabels } from './resources/labels.ts';
import { shortId } from './resources/resource-id.ts';

/** A fleet as clean-up sees it: also one of which only templates are left. */
export interface OwnedFleet {
  readonly id: string;
  readonly name: string;
  readonly createdAt: string;
  readonly labels: Labels;
}

/**
 * Managed instance groups, zonal and regional ones. A template's name is a digest of its content: it is made once,
 * and going back to it needs no other. What a group had before is noted in its description, so that any process can
 * roll it back.
 */
export class GceFleets implements Fleets {
  readonly traits: FleetsTraits = { canary: true, pause: true, surge: true };
  readonly #context: GceContext;
  readonly #changes: FleetChanges;

  constructor(context: GceContext) {
    this.#context = context;
    this.#changes = new FleetChanges(context);
    for (const call of fleetChanges) {
      context.onResume(call, async (token, control) => {
        const accepted = rememberToken(control);
        await context.wait(accepted, token, 'changing the group');
        return this.#changes.finish(call, token.target, accepted);
      });
    }
    context.onResume('fleets.delete', async (token, control) => {
      await context.wait(control, token, 'deleting the machines');
      await this.#changes.removeLeftTemplates(token.target);
    });
  }

  async get(id: string, options?: CallOptions): Promise<Fleet> {
    const context = this.#context;
    return context.call('fleets.get', id, options, async () =>
      showFleet(context, await readGroup(context, id, options), options),
    );
  }

  list(
    filter: { readonly name?: string | undefined; readonly labels?: Labels | undefined } = {},
    options?: CallOptions,
  ): AsyncIterable<Fleet> {
    const context = this.#context;
    const groups = (): AsyncGenerator<WireObject> => this.#groups(filter, options);
    return context.listing('fleets.list', undefined, options, async function* shown() {
      for await (const group of groups()) yield showFleet(context, group, options);
    });
  }

  /** What carries labels, for clean-up. */
  listOwned(labels: Labels, options: CallOptions = {}): AsyncIterable<OwnedFleet> {
    const context = this.#context;
    const groups = (): AsyncGenerator<WireObject> => this.#groups({ labels }, options);
    return context.listing('fleets.list', undefined, options, async function* owned() {
      const seen = new Set<string>();
      for await (const group of groups()) {
        const id = shortId(text(group, 'selfLink') ?? '');
        seen.add(id);
        yield {
          id,
          name: text(group, 'name') ?? '',
          createdAt: text(group, 'creationTimestamp') ?? '',
          labels: readNote(group)?.labels ?? {},
        };
      }
      for await (const { note, createdAt } of ownTemplates(context, undefined, options)) {
        const id = note.fleet ?? '';
        if (seen.has(id) || !hasLabels(note.labels, labels)) continue;
        seen.add(id);
        yield { id, name: locateGroup(id).name, createdAt, labels: note.labels };
      }
    });
  }

  create(request: CreateFleetRequest, options?: CallOptions): Operation<Fleet> {
    return this.#operation('fleets.create', request.name, options, (control) =>
      createFleet(this.#context, this.#changes, request, control),
    );
  }

  resize(id: string, size: number, options?: CallOptions): Operation<Fleet> {
    return this.#operation('fleets.resize', id, options, async (control) => {
      checkCount(size);
      const { service, request } = callOnGroup(id);
      return this.#changes.change(
        { call: 'fleets.resize', service, method: 'resize', request: { ...request, size } },
        id,
        control,
      );
    });
  }

  rollOut(request: RolloutRequest, options?: CallOptions): Operation<Fleet> {
    const context = this.#context;
    const { fleet: id, template } = request;
    return this.#operation('fleets.rollOut', id, options, async (control) => {
      const group = await readGroup(context, id, control);
      const updatePolicy = toUpdatePolicy(request, group);
      checkFleetTemplate(template);
      const labels = readNote(group)?.labels ?? {};
      const planned = await planTemplate(context, id, labels, template, control);
      const size = number(group, 'targetSize') ?? 0;
      const canary =
        request.canary === undefined || request.canary >= size ? undefined : request.canary;
      const next = nextVersions(group, planned.id, canary);
      if (isPaused(group) || !isSettled(group)) {
        // What a process has begun that is no more, or whose answer got lost, is gone on with.
        if (isRollingOut(group, { ...next, updatePolicy }))
          return this.#changes.finish('fleets.rollOut', id, rememberToken(control));
        throw new ImgkitError('FAILED_PRECONDITION', `a change of fleet "${id}" goes on`, {
          resource: id,
          hint: 'Wait for its end, or roll it back.',
        });
      }
      await makeTemplate(context, planned);
      return this.#changes.patch('fleets.rollOut', id, group, { ...next, updatePolicy }, control);
    });
  }

  async pause(id: string, options?: CallOptions): Promise<Fleet> {
    const context = this.#context;
    return context.call('fleets.pause', id, options, async () => {
      const group = await readGroup(context, id, options);
      if (isPaused(group) || isSettled(group)) throw noRollout(id);
      const changed = await context.client.start(
        patchOf(id, group, { updatePolicy: withType(group, 'OPPORTUNISTIC') }),
        options,
      );
      await context.client.wait(changed, options);
      return showFleet(context, await readGroup(context, id, options), options);
    });
  }

  unpause(id: string, options?: CallOptions): Operation<Fleet> {
    const context = this.#context;
    return this.#operation('fleets.unpause', id, options, async (control) => {
      const group = await readGroup(context, id, control);
      if (!isPaused(group)) throw noRollout(id);
      const updatePolicy = withType(group, 'PROACTIVE');
      return this.#changes.patch('fleets.unpause', id, group, { updatePolicy }, control);
    });
  }

  rollBack(id: string, options?: CallOptions): Operation<Fleet> {
    const context = this.#context;
    return this.#operation('fleets.rollBack', id, options, async (control) => {
      const group = await readGroup(context, id, control);
      const before = templateBefore(group);
      const standing = before && (await ifThere(() => readTemplate(context, before, control)));
      if (before === undefined || standing === undefined) {
        throw new ImgkitError(
          'FAILED_PRECONDITION',
          `fleet "${id}" has no template to go back to`,
          {
            resource: id,
            hint: 'Roll out another template first.',
          },
        );
      }
      const next = nextVersions(group, before, undefined);
      const updatePolicy = toUpdatePolicy({}, group);
      return this.#changes.patch('fleets.rollBack', id, group, { ...next, updatePolicy }, control);
    });
  }

  delete(id: string, options?: CallOptions): Operation<void> {
    const context = this.#context;
    return context.operation('fleets.delete', id, options, async (control) => {
      const mutation = { ...callOnGroup(id), method: 'delete', target: id };
      const started = await ifThere(() => context.client.start(mutation, control));
      if (started !== undefined) {
        const token = tokenOf('fleets.delete', started, id);
        await context.wait(control, token, 'deleting the machines');
      }
      await this.#changes.removeLeftTemplates(id);
    });
  }

  #operation(
    call: FleetChange,
    id: string,
    options: CallOptions | undefined,
    body: (control: OperationControl) => Promise<Fleet>,
  ): Operation<Fleet> {
    return this.#context.operation(call, id, options, body);
  }

  async *#groups(
    { name, labels }: { readonly name?: string | undefined; readonly labels?: Labels | undefined },
    options: CallOptions | undefined,
  ): AsyncGenerator<WireObject> {
    const { client, project } = this.#context;
    const filter = name === undefined ? undefined : `name="${name}"`;
    const request = { project, filter };
    const call = { service: 'instanceGroupManagers', method: 'aggregatedList', request } as const;
    for await (const { items } of client.pages(call, options)) {
      for (const group of items) {
        if (name !== undefined && text(group, 'name') !== name) continue;
        if (hasLabels(readNote(group)?.labels ?? {}, labels)) yield group;
      }
    }
  }
}

function noRollout(id: string): ImgkitError {
  return new ImgkitError('FAILED_PRECONDITION', `fleet "${id}" has no rollout`, {
    resource: id,
    hint: 'Only what goes on can be paused, and only what is paused can go on.',
  });
}
