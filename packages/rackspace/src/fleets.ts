import {
  ImgkitError,
  type CallOptions,
  type CreateFleetRequest,
  type Fleet,
  type Fleets,
  type FleetsTraits,
  type ImageUser,
  type Labels,
  type MachineTemplate,
  type Operation,
  type OperationControl,
  type RolloutRequest,
} from '@imgkit/core';
import { z } from 'zod';

import {
  bootImage,
  stoppedBy,
  targetOf,
  templateId,
  withTarget,
  type FleetDocument,
} from './fleets/fleet-document.ts';
import { canRebuild } from './fleets/fleet-members.ts';
import {
  changeFleet,
  claimFleet,
  findFleet,
  knownFleet,
  listFleets,
} from './fleets/fleet-record.ts';
import { toFleet } from './fleets/fleet-view.ts';
import { Rollouts } from './fleets/rollout.ts';
import { checkTemplate, planServer } from './instances/server-plan.ts';
import type { CloudContext } from './resources/context.ts';
import { checkLabels, checkName, invalid } from './resources/rules.ts';

const changes = ['fleets.resize', 'fleets.rollOut', 'fleets.rollBack', 'fleets.unpause'] as const;

const rolloutOptions = z.strictObject({
  /**
   * `replace`, the default: new servers take the place of the old ones. `rebuild`: the servers stay, with their ids
   * and addresses, and get their disk anew; one is missing at a time, or as many as `maxUnavailable` says.
   */
  strategy: z.enum(['replace', 'rebuild']).optional(),
});

/** Groups of servers of one template, which are replaced or rebuilt batch by batch. */
export class RackspaceFleets implements Fleets {
  readonly traits: FleetsTraits = { canary: true, pause: true, surge: true };
  readonly #context: CloudContext;
  readonly #rollouts: Rollouts;

  constructor(context: CloudContext) {
    this.#context = context;
    this.#rollouts = new Rollouts(context);
    for (const operation of ['fleets.create', ...changes]) {
      context.onResume(operation, (id, options) =>
        this.#operation('resume', id, options, async (control) => {
          control.accepted(`${operation} ${id}`);
          await this.#rollouts.join(id, control);
        }),
      );
    }
    context.onResume('fleets.delete', (id, options) => this.delete(id, options));
  }

  async get(id: string, options?: CallOptions): Promise<Fleet> {
    const context = this.#context;
    return context.call('fleets.get', id, options, async () =>
      toFleet(context, await knownFleet(context, id, options), options),
    );
  }

  list(
    filter: { readonly name?: string | undefined; readonly labels?: Labels | undefined } = {},
    options?: CallOptions,
  ): AsyncIterable<Fleet> {
    const context = this.#context;
    return context.listing('fleets.list', filter.name, options, async function* () {
      for await (const record of listFleets(context, 'fleets.list', filter, options))
        yield await toFleet(context, record, options);
    });
  }

  /** What of the fleets uses an image: also such as have no machines, and what they may go back to. */
  async usersOf(id: string, options?: CallOptions): Promise<readonly ImageUser[]> {
    const users: ImageUser[] = [];
    for await (const { image, doc } of listFleets(this.#context, 'usage.of', {}, options)) {
      const boots = (name: string): boolean => {
        const template = doc.templates[name];
        return template !== undefined && bootImage(template) === id;
      };
      if (boots(targetOf(doc)))
        users.push({ kind: 'fleet', id: image.id, reason: 'its machines boot from it' });
      else if (doc.history.some(boots))
        users.push({
          kind: 'template',
          id: image.id,
          reason: 'a rollback of the fleet goes back to it',
        });
    }
    return users;
  }

  create(request: CreateFleetRequest, options?: CallOptions): Operation<Fleet> {
    const { name, size, template, labels, idempotencyKey } = request;
    const context = this.#context;
    return context.operation('fleets.create', name, options, async (control) => {
      checkName('fleet', name);
      checkLabels(labels);
      checkCount(size);
      readOptions(request.providerOptions);
      await this.#check(template, control);
      const owner = this.#rollouts.owner();
      const target = plain(template);
      const doc: FleetDocument = {
        version: 1,
        size,
        templates: { [templateId(target)]: target },
        history: [templateId(target)],
        strategy: 'replace',
        maxSurge: 1,
        maxUnavailable: 0,
        rolling: true,
        paused: false,
        deleting: false,
        owner,
        seen: new Date(context.clock.now()).toISOString(),
      };
      const { id, isNew } = await context.locks.alone(`fleet name ${name}`, () =>
        claimFleet(context, { name, labels, idempotencyKey, doc }, control),
      );
      control.accepted(`fleets.create ${id}`);
      if (isNew) await this.#fill(id, owner, control);
      else await this.#rollouts.join(id, control);
      return toFleet(context, await knownFleet(context, id, control), control);
    });
  }

  resize(id: string, size: number, options?: CallOptions): Operation<Fleet> {
    return this.#change('fleets.resize', id, options, async () => {
      checkCount(size);
      return (doc) => ({ ...doc, size, canary: undefined });
    });
  }

  rollOut(request: RolloutRequest, options?: CallOptions): Operation<Fleet> {
    const { fleet, template, canary } = request;
    return this.#change('fleets.rollOut', fleet, options, async (control) => {
      const { strategy = 'replace' } = readOptions(request.providerOptions);
      const rebuilds = strategy === 'rebuild';
      const { maxSurge = rebuilds ? 0 : 1, maxUnavailable = rebuilds ? 1 : 0 } = request;
      for (const count of [maxSurge, maxUnavailable, canary ?? 0]) checkCount(count);
      if (maxSurge + maxUnavailable === 0)
        throw invalid(
          'maxSurge and maxUnavailable are both 0',
          'Let at least one of them be 1: no machine could be replaced.',
        );
      if (rebuilds && maxUnavailable === 0)
        throw invalid(
          'a server that is rebuilt is missing meanwhile',
          'Let maxUnavailable be 1 at least, or roll out with the strategy "replace".',
        );
      await this.#check(template, control);
      const target = plain(template);
      return (doc) => {
        const others = Object.values(doc.templates);
        if (rebuilds && !others.every((from) => canRebuild(from, target)))
          throw invalid(
            'a rebuild changes the image, the labels and the metadata of servers, and nothing else',
            'Roll out with the strategy "replace".',
          );
        const bounds = { maxSurge: rebuilds ? 0 : maxSurge, maxUnavailable, canary };
        return { ...withTarget(doc, target), strategy, ...bounds };
      };
    });
  }

  async pause(id: string, options?: CallOptions): Promise<Fleet> {
    return this.#context.call('fleets.pause', id, options, async () => {
      await this.#setPaused(id, true, options);
      return this.get(id, options);
    });
  }

  unpause(id: string, options?: CallOptions): Operation<Fleet> {
    return this.#operation('fleets.unpause', id, options, async (control) => {
      await this.#setPaused(id, false, control);
      control.accepted(`fleets.unpause ${id}`);
      await this.#rollouts.join(id, control);
    });
  }

  rollBack(id: string, options?: CallOptions): Operation<Fleet> {
    const change = async () => (doc: FleetDocument) => {
      const before = doc.templates[doc.history.at(-2) ?? ''];
      if (before === undefined)
        throw new ImgkitError('FAILED_PRECONDITION', `fleet "${id}" had one template only`, {
          resource: id,
          hint: 'Roll out another template first.',
        });
      const rebuilds = doc.strategy === 'rebuild';
      const bounds = { maxSurge: rebuilds ? 0 : 1, maxUnavailable: rebuilds ? 1 : 0 };
      return { ...withTarget(doc, before), ...bounds, canary: undefined };
    };
    return this.#change('fleets.rollBack', id, options, change, true);
  }

  delete(id: string, options?: CallOptions): Operation<void> {
    const context = this.#context;
    return context.operation('fleets.delete', id, options, async (control) => {
      control.accepted(`fleets.delete ${id}`);
      if ((await findFleet(context, id, control)) !== undefined)
        await this.#rollouts.clear(id, control);
    });
  }

  /** Launches the machines of a new fleet; when they don't come up, nothing of it stays. */
  async #fill(id: string, owner: string, control: OperationControl): Promise<void> {
    try {
      await this.#rollouts.carryOut(id, owner, control);
    } catch (error) {
      await this.#rollouts.clear(id);
      throw error;
    }
  }

  #change(
    operation: string,
    id: string,
    options: CallOptions | undefined,
    prepare: (control: OperationControl) => Promise<(doc: FleetDocument) => FleetDocument>,
    takeOver = false,
  ): Operation<Fleet> {
    return this.#operation(operation, id, options, async (control) => {
      const { signal } = control;
      const owner = await this.#rollouts.begin(id, await prepare(control), { takeOver, signal });
      control.accepted(`${operation} ${id}`);
      try {
        await this.#rollouts.carryOut(id, owner, control);
      } catch (error) {
        const record = await findFleet(this.#context, id).catch(() => undefined);
        throw stoppedBy(record?.image.name ?? id, error);
      }
    });
  }

  #operation(
    operation: string,
    id: string,
    options: CallOptions | undefined,
    body: (control: OperationControl) => Promise<void>,
  ): Operation<Fleet> {
    const context = this.#context;
    return context.operation(operation, id, options, async (control) => {
      await knownFleet(context, id, control);
      await body(control);
      return toFleet(context, await knownFleet(context, id, control), control);
    });
  }

  async #setPaused(id: string, paused: boolean, options?: CallOptions): Promise<void> {
    const change = (doc: FleetDocument) => {
      if (doc.paused === paused && doc.rolling) return undefined;
      if (!doc.rolling || doc.failure !== undefined || doc.deleting)
        throw new ImgkitError('FAILED_PRECONDITION', `fleet "${id}" has no rollout`, {
          resource: id,
          hint: 'Only what goes on can be paused, and only what is paused can go on.',
        });
      return { ...doc, paused };
    };
    await knownFleet(this.#context, id, options);
    await changeFleet(this.#context, id, change, { signal: options?.signal });
  }

  /** Finds out before anything is made whether machines can be made of a template. */
  async #check(template: MachineTemplate, options: CallOptions): Promise<void> {
    bootImage(template);
    checkTemplate(template);
    await planServer(this.#context, template, undefined, options);
  }
}

function readOptions(given: unknown): z.infer<typeof rolloutOptions> {
  const checked = rolloutOptions.safeParse(given ?? {});
  if (checked.success) return checked.data;
  const [issue] = checked.error.issues;
  throw invalid(`providerOptions can't be taken: ${issue?.message ?? ''}`, 'Give strategy only.');
}

/** A template as its record gives it back. */
function plain(template: MachineTemplate): MachineTemplate {
  return JSON.parse(JSON.stringify(template));
}

function checkCount(count: number): void {
  if (Number.isSafeInteger(count) && count >= 0) return;
  throw invalid(
    `${count} is not a number of machines`,
    'Give a whole number that is not negative.',
  );
}
