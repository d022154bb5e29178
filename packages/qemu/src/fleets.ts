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

import {
  bootImage,
  fleetKind,
  plainTemplate,
  targetOf,
  withTarget,
  type FleetDocument,
  type FleetRecord,
} from './fleet/fleet-record.ts';
import { Rollouts } from './fleet/rollout.ts';
import { checkTemplate, planLaunch } from './machine/launch-plan.ts';
import type { InstanceLauncher } from './machine/launcher.ts';
import { deleteOwn, getOwn, getReady, listOwn } from './resources/access.ts';
import { formatId, type LocalContext } from './resources/context.ts';
import { create, recordsOf, resumeCreation } from './resources/creation.ts';
import type { ImageUsers } from './resources/machines.ts';
import { checkLabels, invalid } from './resources/rules.ts';
import type { LocalStore } from './store/local-store.ts';

const changes = ['fleets.resize', 'fleets.rollOut', 'fleets.rollBack', 'fleets.unpause'] as const;

/** Groups of machines of one template, which are replaced machine by machine. */
export class QemuFleets implements Fleets, ImageUsers {
  readonly traits: FleetsTraits = { canary: true, pause: true, surge: true };
  readonly #context: LocalContext;
  readonly #rollouts: Rollouts;

  constructor(context: LocalContext, launcher: InstanceLauncher) {
    this.#context = context;
    this.#rollouts = new Rollouts(context, launcher);
    resumeCreation(
      context,
      { operation: 'fleets.create', kind: fleetKind },
      ({ request }) => request,
      (request, options) => this.create(request, options),
    );
    for (const operation of changes) {
      context.onResume(operation, (id, options) =>
        this.#operation(operation, id, options, (store, seq, control) =>
          this.#rollouts.join(store, seq, control),
        ),
      );
    }
    context.onResume('fleets.delete', (id, options) => this.delete(id, options));
  }

  async get(id: string, options?: CallOptions): Promise<Fleet> {
    const context = this.#context;
    return context.call('fleets.get', id, options, (store) =>
      fleetKind.show(context, getOwn(context, store, fleetKind, id)),
    );
  }

  list(
    filter?: { readonly name?: string | undefined; readonly labels?: Labels | undefined },
    options?: CallOptions,
  ): AsyncIterable<Fleet> {
    return listOwn(this.#context, fleetKind, filter, options);
  }

  create(request: CreateFleetRequest, options?: CallOptions): Operation<Fleet> {
    const { size, template, labels = {} } = request;
    return create<FleetDocument, Fleet, undefined>(
      this.#context,
      {
        operation: 'fleets.create',
        kind: fleetKind,
        request,
        check: () => {
          checkCount(size);
          checkFleetTemplate(template);
        },
        prepare: (store) => {
          planLaunch(this.#context, store, template);
          return undefined;
        },
        draft: () => ({
          labels: { ...labels },
          size,
          templates: [plainTemplate(template)],
          history: [0],
          maxSurge: 1,
          maxUnavailable: 0,
          rolling: true,
          paused: false,
          request,
        }),
        make: async (store, _nothing, record, control) => {
          await this.#rollouts.fill(store, record, control);
          return { doc: { ...record.doc, rolling: false, request: undefined }, digests: [] };
        },
        undo: (store, record) => this.#rollouts.clear(store, record),
      },
      options,
    );
  }

  resize(id: string, size: number, options?: CallOptions): Operation<Fleet> {
    return this.#change('fleets.resize', id, options, (_store, doc) => {
      checkCount(size);
      return { ...doc, size };
    });
  }

  rollOut(request: RolloutRequest, options?: CallOptions): Operation<Fleet> {
    const { fleet, template, canary, maxSurge = 1, maxUnavailable = 0 } = request;
    return this.#change('fleets.rollOut', fleet, options, (store, doc) => {
      for (const count of [maxSurge, maxUnavailable, canary ?? 0]) checkCount(count);
      if (maxSurge + maxUnavailable === 0) {
        throw invalid(
          'maxSurge and maxUnavailable are both 0',
          'Let at least one of them be 1: no machine could be replaced.',
        );
      }
      checkFleetTemplate(template);
      planLaunch(this.#context, store, template);
      return { ...withTarget(doc, template), maxSurge, maxUnavailable, canary };
    });
  }

  async pause(id: string, options?: CallOptions): Promise<Fleet> {
    return this.#context.call('fleets.pause', id, options, (store) => {
      this.#setPaused(store, id, true);
      return this.get(id, options);
    });
  }

  unpause(id: string, options?: CallOptions): Operation<Fleet> {
    return this.#operation('fleets.unpause', id, options, async (store, seq, control) => {
      this.#setPaused(store, id, false);
      await this.#rollouts.join(store, seq, control);
    });
  }

  rollBack(id: string, options?: CallOptions): Operation<Fleet> {
    const change = (_store: LocalStore, doc: FleetDocument): FleetDocument => {
      const before = doc.templates[doc.history.at(-2) ?? -1];
      if (before === undefined) {
        throw new ImgkitError('FAILED_PRECONDITION', `fleet "${id}" had one template only`, {
          resource: id,
          hint: 'Roll out another template first.',
        });
      }
      return { ...withTarget(doc, before), maxSurge: 1, maxUnavailable: 0, canary: undefined };
    };
    return this.#change('fleets.rollBack', id, options, change, true);
  }

  delete(id: string, options?: CallOptions): Operation<void> {
    return deleteOwn(
      this.#context,
      'fleets.delete',
      fleetKind,
      id,
      options,
      async (store, record) => {
        // Who is changing it stops, and starts no further machine.
        this.#rollouts.begin(store, record.seq, (doc) => doc, true);
        await this.#rollouts.clear(store, record);
      },
    );
  }

  async usersOf(image: string): Promise<readonly ImageUser[]> {
    const store = await this.#context.store();
    return recordsOf(store, fleetKind)
      .all()
      .flatMap((record) => usersIn(record, image));
  }

  #change(
    operation: string,
    id: string,
    options: CallOptions | undefined,
    change: (store: LocalStore, doc: FleetDocument) => FleetDocument,
    takeOver = false,
  ): Operation<Fleet> {
    return this.#operation(operation, id, options, async (store, seq, control) => {
      const owner = this.#rollouts.begin(store, seq, (doc) => change(store, doc), takeOver);
      control.accepted(`${operation} ${id}`);
      await this.#rollouts.carryOut(store, seq, owner, control);
    });
  }

  #operation(
    operation: string,
    id: string,
    options: CallOptions | undefined,
    body: (store: LocalStore, seq: number, control: OperationControl) => Promise<void>,
  ): Operation<Fleet> {
    const context = this.#context;
    return context.operation(operation, id, options, async (store, control) => {
      const { seq } = getReady(context, store, fleetKind, id);
      await body(store, seq, control);
      return this.get(id, { signal: control.signal });
    });
  }

  #setPaused(store: LocalStore, id: string, paused: boolean): void {
    store.catalog.transaction(() => {
      const { seq, name, doc } = getReady(this.#context, store, fleetKind, id);
      if (!doc.rolling || doc.failure !== undefined) {
        throw new ImgkitError('FAILED_PRECONDITION', `fleet "${name}" has no rollout`, {
          resource: id,
          hint: 'Only what goes on can be paused, and only what is paused can go on.',
        });
      }
      recordsOf(store, fleetKind).update(seq, { doc: { ...doc, paused } });
    });
  }
}

function usersIn({ project, name, doc }: FleetRecord, image: string): ImageUser[] {
  const id = formatId(project, 'fleets', name);
  const boots = (place: number): boolean => {
    const template = doc.templates[place];
    return template !== undefined && bootImage(template) === image;
  };
  if (boots(targetOf(doc))) return [{ kind: 'fleet', id, reason: 'its machines boot from it' }];
  if (!doc.history.some(boots)) return [];
  return [{ kind: 'template', id, reason: 'a rollback of the fleet goes back to it' }];
}

function checkFleetTemplate(template: MachineTemplate): void {
  bootImage(template);
  checkTemplate(template);
  checkLabels(template.labels);
}

function checkCount(count: number): void {
  if (Number.isSafeInteger(count) && count >= 0) return;
  throw invalid(
    `${count} is not a number of machines`,
    'Give a whole number that is not negative.',
  );
}
