import { randomUUID } from 'node:crypto';

import {
  ImgkitError,
  type CallOptions,
  type CreateFleetRequest,
  type Fleet,
  type Fleets,
  type FleetsTraits,
  type ImageUser,
  type Labels,
  type Operation,
  type OperationControl,
  type RolloutRequest,
} from '@imgkit/core';

import { notFound } from '../errors.ts';
import { findServer } from '../instances/server-state.ts';
import type { CloudContext } from '../resources/context.ts';
import { keyDigest } from '../resources/image-key.ts';
import { checkLabels, checkName, hasLabels } from '../resources/rules.ts';
import { ifThere, type AutoScale, type ScalingGroup } from './auto-scale.ts';
import { failed, goesOn, readNote, thisChanger, withNote, type GroupChange } from './group-note.ts';
import { showGroup } from './group-view.ts';
import { changedLaunch, newLaunch, templateOf } from './launch-configuration.ts';
import type { LaunchMemory } from './launch-memory.ts';
import {
  bound,
  checkBounds,
  checkCount,
  replaceMembers,
  resizeGroup,
  settled,
  type RolloutBounds,
} from './rollout.ts';

/** How many seconds pass between two changes by policies: imgkit changes groups by their bounds. */
const cooldown = 0;

/**
 * Groups of Rackspace's Auto Scale. A launch configuration is replaced as a whole, and only servers made later are of
 * it: a rollout writes it with all that it held, and has the group replace its servers.
 */
export class AutoScaleFleets implements Fleets {
  readonly traits: FleetsTraits = { canary: true, pause: false, surge: true };
  readonly #context: CloudContext;
  readonly #scale: AutoScale;
  readonly #memory: LaunchMemory;

  constructor(context: CloudContext, scale: AutoScale, memory: LaunchMemory) {
    this.#context = context;
    this.#scale = scale;
    this.#memory = memory;
    for (const call of ['fleets.create', 'fleets.resize'] as const)
      context.onResume(call, (rest, options) => {
        const [id = '', size = ''] = rest.split(' ');
        return context.operation('resume', id, options, async (control) => {
          control.accepted(`${call} ${rest}`);
          await settled(context, scale, id, Number(size), control);
          return this.#show(id, control);
        });
      });
    context.onResume('fleets.rollOut', (rest, options) => {
      const [id = '', surge, missing, canary] = rest.split(' ');
      const request = {
        maxSurge: Number(surge),
        maxUnavailable: Number(missing),
        canary: canary === undefined ? undefined : Number(canary),
      };
      return context.operation('resume', id, options, async (control) => {
        control.accepted(`fleets.rollOut ${rest}`);
        const { change } = readNote((await this.#known(id, control)).groupConfiguration);
        return change === undefined
          ? this.#show(id, control)
          : this.#carryOut(
              id,
              { ...change, changer: thisChanger() },
              checkBounds(request),
              control,
            );
      });
    });
    context.onResume('fleets.delete', (id, options) => this.delete(id, options));
  }

  get(id: string, options?: CallOptions): Promise<Fleet> {
    return this.#context.call('fleets.get', id, options, () => this.#show(id, options));
  }

  list(
    filter: { readonly name?: string | undefined; readonly labels?: Labels | undefined } = {},
    options?: CallOptions,
  ): AsyncIterable<Fleet> {
    const [context, scale] = [this.#context, this.#scale];
    return context.listing('fleets.list', undefined, options, async function* () {
      for await (const group of scale.list(options)) {
        const { groupConfiguration: configuration } = group;
        if (filter.name !== undefined && configuration.name !== filter.name) continue;
        if (!hasLabels(readNote(configuration).labels, filter.labels)) continue;
        yield await showGroup(context, group, options);
      }
    });
  }

  create(request: CreateFleetRequest, options?: CallOptions): Operation<Fleet> {
    const context = this.#context;
    const { name, size, labels = {}, template } = request;
    return context.operation('fleets.create', name, options, async (control) => {
      checkName('fleet', name);
      checkCount('the size', size);
      checkLabels(labels);
      const { signal } = control;
      const key = keyDigest(context.project, request.idempotencyKey ?? randomUUID());
      const { id, isNew } = await context.locks.alone(`fleet name ${name}`, async () => {
        const standing = await this.#standing(name, key, signal);
        if (standing !== undefined) return { id: standing, isNew: false };
        const launchConfiguration = await newLaunch(context, name, labels, template, { signal });
        const createdAt = new Date(context.clock.now()).toISOString();
        const metadata = withNote({}, { labels, key, createdAt });
        const bounds = { minEntities: size, maxEntities: size };
        const groupConfiguration = { name, cooldown, ...bounds, metadata };
        const wanted = { groupConfiguration, launchConfiguration };
        try {
          return { id: await this.#scale.create(wanted, { signal }), isNew: true };
        } catch (error) {
          // The answer was lost, or the call.
          const made = await this.#standing(name, key, undefined).catch(() => undefined);
          if (made === undefined) throw error;
          return { id: made, isNew: true };
        }
      });
      control.accepted(`fleets.create ${id} ${size}`);
      try {
        await settled(context, this.#scale, id, size, control);
        return await this.#show(id, control);
      } catch (error) {
        if (isNew) await this.#remove(id);
        throw error;
      }
    });
  }

  resize(id: string, size: number, options?: CallOptions): Operation<Fleet> {
    const context = this.#context;
    return context.operation('fleets.resize', id, options, async (control) => {
      checkCount('the size', size);
      await this.#free(id, control);
      control.accepted(`fleets.resize ${id} ${size}`);
      await resizeGroup({ context, scale: this.#scale, control }, id, size);
      return this.#show(id, control);
    });
  }

  rollOut(request: RolloutRequest, options?: CallOptions): Operation<Fleet> {
    const context = this.#context;
    const { fleet: id, template } = request;
    return context.operation('fleets.rollOut', id, options, async (control) => {
      const bounds = checkBounds(request);
      const group = await this.#free(id, control);
      const { launchConfiguration: before, groupConfiguration } = group;
      const { labels } = readNote(groupConfiguration);
      const launch = await changedLaunch(context, before, labels, template, control);
      return this.#roll(group, launch, bounds, control);
    });
  }

  rollBack(id: string, options?: CallOptions): Operation<Fleet> {
    const context = this.#context;
    return context.operation('fleets.rollBack', id, options, async (control) => {
      const group = await this.#free(id, control);
      const { launchConfiguration: launch, groupConfiguration } = group;
      // One that broke off may have got what it goes back to.
      const isBack = readNote(groupConfiguration).change?.back === templateOf(launch.args.server);
      const before = isBack ? launch : await this.#memory.read({ id, launch }, control);
      if (before === undefined)
        throw new ImgkitError(
          'FAILED_PRECONDITION',
          `fleet "${id}" has no template to go back to`,
          {
            resource: id,
            hint: 'Roll out another template first.',
          },
        );
      const back = templateOf(before.args.server);
      return this.#roll(group, before, { ...checkBounds({}), back }, control);
    });
  }

  delete(id: string, options?: CallOptions): Operation<void> {
    return this.#context.operation('fleets.delete', id, options, async (control) => {
      control.accepted(`fleets.delete ${id}`);
      await this.#remove(id, control);
    });
  }

  /** What of the fleets uses an image: also such as have no machines, and what they can be rolled back to. */
  async usersOf(image: string, options?: CallOptions): Promise<readonly ImageUser[]> {
    const users: ImageUser[] = [];
    for await (const { id, launchConfiguration: launch } of this.#scale.list(options)) {
      if (launch.args.server.imageRef === image)
        users.push({ kind: 'fleet', id, reason: 'its new machines are launched from it' });
      const before = await this.#memory.read({ id, launch }, { signal: options?.signal });
      if (before?.args.server.imageRef === image)
        users.push({ kind: 'template', id, reason: 'the fleet can be rolled back to it' });
    }
    return users;
  }

  /** Writes the launch configuration, and has the servers replaced. */
  async #roll(
    group: ScalingGroup,
    launch: ScalingGroup['launchConfiguration'],
    { back, ...bounds }: RolloutBounds & { readonly back?: string | undefined },
    control: OperationControl,
  ): Promise<Fleet> {
    const { id, groupConfiguration, launchConfiguration, state } = group;
    const { minEntities: least, maxEntities: most } = groupConfiguration;
    const standing = readNote(groupConfiguration).change;
    // One that broke off says what the group was before it.
    const was = standing ?? { size: state.desiredCapacity, least, most };
    const change: GroupChange = { ...was, changer: thisChanger(), back };
    const parts = { context: this.#context, scale: this.#scale, control };
    // What a rollout that broke off has above the size stays until it is chosen what goes.
    const room = Math.max(0, state.desiredCapacity - change.size);
    await bound(parts, group, change, { room });
    await this.#memory.keep({ id, launch }, launchConfiguration, control);
    await this.#scale.relaunch(id, launch, control);
    const { maxSurge, maxUnavailable, canary } = bounds;
    const rest = [id, maxSurge, maxUnavailable, ...(canary === undefined ? [] : [canary])];
    control.accepted(`fleets.rollOut ${rest.join(' ')}`);
    return this.#carryOut(id, change, bounds, control);
  }

  async #carryOut(
    id: string,
    change: GroupChange,
    bounds: RolloutBounds,
    control: OperationControl,
  ): Promise<Fleet> {
    const parts = { context: this.#context, scale: this.#scale, control };
    try {
      await replaceMembers(parts, id, change, bounds);
    } catch (error) {
      // A caller who gives up may go on with the token.
      if (!control.signal.aborted) await this.#giveUp(id, change);
      throw error;
    }
    await bound(parts, { id }, change, { isOver: true });
    return this.#show(id, control);
  }

  /** Ends a rollout that failed: the group asks for no more machines than its size, and keeps those that stand. */
  async #giveUp(id: string, change: GroupChange): Promise<void> {
    if ((await ifThere(() => this.#scale.get(id))) === undefined) return;
    const { signal } = new AbortController();
    const control = { signal, progress: () => undefined, accepted: () => undefined };
    const parts = { context: this.#context, scale: this.#scale, control };
    const over = { ...change, changer: failed };
    await bound(parts, { id }, over, { capped: true });
    await bound(parts, { id }, over);
  }

  /** The group of a name that this key has made already. */
  async #standing(
    name: string,
    key: string,
    signal: AbortSignal | undefined,
  ): Promise<string | undefined> {
    for await (const { id, groupConfiguration: found } of this.#scale.list({ signal })) {
      if (found.name !== name) continue;
      if (readNote(found).key === key) return id;
      throw new ImgkitError('ALREADY_EXISTS', `there is a fleet "${name}" already`, {
        resource: id,
        hint: 'Choose another name, or delete that fleet.',
      });
    }
    return undefined;
  }

  /** A group that nobody changes. */
  async #free(id: string, { signal }: CallOptions): Promise<ScalingGroup> {
    const group = await this.#known(id, { signal });
    const { change } = readNote(group.groupConfiguration);
    if (change === undefined || !goesOn(change)) return group;
    throw new ImgkitError('FAILED_PRECONDITION', `a change of fleet "${id}" goes on`, {
      resource: id,
      hint: 'Wait for its end.',
    });
  }

  async #known(id: string, { signal }: CallOptions = {}): Promise<ScalingGroup> {
    const group = id === '' ? undefined : await ifThere(() => this.#scale.get(id, { signal }));
    if (group === undefined) throw notFound('fleet', id);
    return group;
  }

  async #show(id: string, options: CallOptions = {}): Promise<Fleet> {
    return showGroup(this.#context, await this.#known(id, options), options);
  }

  /** Deletes a group, and waits until its servers are gone. */
  async #remove(id: string, { signal }: CallOptions = {}): Promise<void> {
    const context = this.#context;
    const group = id === '' ? undefined : await ifThere(() => this.#scale.get(id, { signal }));
    if (group === undefined) return;
    await this.#scale.delete(id, { signal });
    for (const server of group.state.active)
      await context.poll(
        async () =>
          (await findServer(context, server.id, { signal })) === undefined ? true : undefined,
        signal,
      );
    await this.#memory.forget(id, { signal });
  }
}
