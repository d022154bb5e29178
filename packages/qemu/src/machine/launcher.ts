import type { CallOptions, Instance, LaunchRequest, Operation } from '@imgkit/core';

import type { LocalContext } from '../resources/context.ts';
import { create, resumeCreation, type Made } from '../resources/creation.ts';
import type { LocalStore } from '../store/local-store.ts';
import type { StoredRecord } from '../store/records.ts';
import {
  beginMachine,
  configurationOf,
  dismantle,
  hostKeyOf,
  makeDisks,
  registerDisks,
  writeSeed,
} from './assembly.ts';
import type { MachineHost } from './host.ts';
import { instanceKind, type InstanceDocument } from './instance-record.ts';
import { checkLaunch, planLaunch, type LaunchPlan } from './launch-plan.ts';
import { Machine, type MachineCallOptions } from './machine.ts';
import type { WarmStates } from './warm-states.ts';

/** A launch of an instance, for itself or for a fleet. */
export interface InstanceRequest extends Omit<LaunchRequest, 'boot'> {
  readonly fleet?: InstanceDocument['fleet'];
}

/** Launches instances. */
export class InstanceLauncher {
  readonly #context: LocalContext;
  readonly #host: MachineHost;
  readonly #warm: WarmStates;

  constructor(context: LocalContext, host: MachineHost, warm: WarmStates) {
    this.#context = context;
    this.#host = host;
    this.#warm = warm;
    resumeCreation(
      context,
      { operation: 'instances.launch', kind: instanceKind },
      ({ request }) => request,
      (request, options) => this.launchFrom(request, options),
    );
  }

  /** Launches an instance from what its request names. */
  launchFrom(
    request: LaunchRequest & Pick<InstanceRequest, 'fleet'>,
    options?: CallOptions,
  ): Operation<Instance> {
    return this.launch(
      'instances.launch',
      request,
      (context, store) => planLaunch(context, store, request),
      options,
      request,
    );
  }

  /**
   * Launches an instance by a plan.
   *
   * @param again - The request from which another process can go on, if that is all it needs.
   */
  launch(
    operation: string,
    request: InstanceRequest,
    plan: (context: LocalContext, store: LocalStore) => LaunchPlan,
    options?: CallOptions,
    again?: LaunchRequest,
  ): Operation<Instance> {
    const context = this.#context;
    return create<InstanceDocument, Instance, LaunchPlan>(
      context,
      {
        operation,
        kind: instanceKind,
        request,
        check: () => checkLaunch(request),
        prepare: async (store) => {
          const planned = plan(context, store);
          await this.#host.version();
          return planned;
        },
        draft: (planned) => draft(request, planned, again),
        make: (store, planned, record, { signal, progress }) =>
          this.#make(store, planned, record, request, { signal, progress }),
        undo: (store, record) => dismantle(context, store, record),
      },
      options,
    );
  }

  async #make(
    store: LocalStore,
    plan: LaunchPlan,
    record: StoredRecord<InstanceDocument>,
    request: InstanceRequest,
    options: MachineCallOptions & { readonly progress: (message: string) => void },
  ): Promise<Made<InstanceDocument>> {
    const context = this.#context;
    const { signal, progress } = options;
    const hostKey = hostKeyOf(request);
    const configuration = await configurationOf(this.#host, plan, request, hostKey, { signal });
    const warm = { context, store, record, request, plan, configuration, hostKey };
    progress(request.warmStart === undefined ? 'making the disks' : 'resuming a saved machine');
    if (!(await this.#warm.resume(warm, { signal }))) {
      const directory = await beginMachine(context, record, configuration);
      await makeDisks(store, directory, plan.disks, { signal });
      await writeSeed(directory, configuration, request, hostKey);
      progress('starting the machine');
      const machine = await Machine.find(directory);
      await machine?.start({ signal });
    }
    const disks = registerDisks(context, store, record, plan.disks);
    // The disks' own claims keep their blobs; no reference of the record is needed.
    return { doc: { ...record.doc, disks, request: undefined }, digests: [] };
  }
}

function draft(
  request: InstanceRequest,
  plan: LaunchPlan,
  again?: LaunchRequest,
): InstanceDocument {
  const { labels = {}, metadata = {}, ports = [], authorizedKeys = [], expiresAt, fleet } = request;
  const attached = plan.disks.flatMap((disk, index) =>
    disk.kind === 'disk'
      ? [
          {
            id: disk.id,
            boot: index === 0,
            sizeBytes: disk.sizeBytes,
            deleteWithInstance: false,
            own: false,
          },
        ]
      : [],
  );
  return {
    labels: { ...labels },
    image: plan.image,
    ...plan.size,
    disks: attached,
    metadata: { ...metadata },
    ports: [...ports],
    authorizedKeys: [...authorizedKeys],
    isolated: plan.isolated,
    expiresAt,
    fleet,
    // A private key is not written down: who gave one makes the same call again.
    request: request.hostKey === undefined ? again : undefined,
  };
}
