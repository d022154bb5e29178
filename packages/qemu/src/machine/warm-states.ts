import { createHash, randomUUID } from 'node:crypto';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';

import { ImgkitError, type HostKey } from '@imgkit/core';

import type { LocalContext } from '../resources/context.ts';
import { storeLayout } from '../store/layout.ts';
import type { LocalStore } from '../store/local-store.ts';
import type { StoredRecord } from '../store/records.ts';
import { beginMachine, configurationOf, dismantle, writeSeed } from './assembly.ts';
import { writeConfiguration, type MachineConfiguration } from './configuration.ts';
import { identityScript } from './guest-identity.ts';
import type { MachineHost, MachineSize } from './host.ts';
import { machineDirectory, type InstanceDocument } from './instance-record.ts';
import type { InstanceRequest } from './launcher.ts';
import type { LaunchPlan } from './launch-plan.ts';
import type { Machine, MachineCallOptions } from './machine.ts';
import { resumeMachine } from './resume.ts';
import { fingerprint, readState, saveState, unpackState } from './saved-state.ts';

const mostStates = 8;
const keyPattern = /^[\da-f]{64}$/;

/** A launch that may be a resume. */
export interface WarmLaunch {
  readonly context: LocalContext;
  readonly store: LocalStore;
  readonly record: StoredRecord<InstanceDocument>;
  readonly request: InstanceRequest;
  readonly plan: LaunchPlan;
  readonly configuration: MachineConfiguration;
  readonly hostKey: HostKey;
}

/** The saved states of a store: one directory each, named by its key. */
export class WarmStates {
  readonly #host: MachineHost;

  constructor(host: MachineHost) {
    this.#host = host;
  }

  /** The key for machines of this size that booted from the blob `digest` and have no other disk. */
  async key(
    digest: string,
    sizeBytes: number,
    size: MachineSize,
    options: MachineCallOptions,
  ): Promise<string> {
    const plan: LaunchPlan = {
      size,
      disks: [{ kind: 'blob', digest, sizeBytes }],
      isolated: false,
    };
    const configuration = await configurationOf(
      this.#host,
      plan,
      { name: 'x', ephemeral: true },
      { publicKey: '' },
      options,
    );
    return await this.#keyOf(configuration, plan);
  }

  /** Whether a usable state is saved under the key. */
  async has(context: LocalContext, key: string): Promise<boolean> {
    return keyPattern.test(key) && (await readState(directoryOf(context, key))) !== undefined;
  }

  /** Saves the state of a running machine, see {@link saveState}. */
  async save(
    context: LocalContext,
    store: LocalStore,
    key: string,
    digest: string,
    machine: Machine,
    options: MachineCallOptions,
  ): Promise<void> {
    const directory = directoryOf(context, key);
    await saveState(machine, directory, await this.#host.version(), options);
    for (const { file } of machine.configuration.disks)
      store.overlays.claim(join(directory, file), digest);
    await this.#prune(context, store, key);
  }

  /** Removes a saved state. Machines that were resumed from it go on: they have the files too. */
  async delete(context: LocalContext, store: LocalStore, key: string): Promise<void> {
    if (keyPattern.test(key)) await store.overlays.removeDirectory(directoryOf(context, key));
  }

  /**
   * Resumes a saved machine if there is one that fits. One that can't be resumed is removed, so
   * that it isn't tried again, and what was begun with it too.
   *
   * @returns Whether the machine runs now; if not, it is to be booted.
   */
  async resume(launch: WarmLaunch, options: MachineCallOptions): Promise<boolean> {
    const { context, store, record, request, plan } = launch;
    const key = request.warmStart;
    const [boot] = plan.disks;
    if (key === undefined || boot?.kind !== 'blob' || !(await this.has(context, key))) return false;
    // What a booting guest is told beside its identity, a resumed one would never hear.
    if (request.startupScript !== undefined || request.userData !== undefined) return false;
    if (key !== (await this.#keyOf(launch.configuration, plan))) return false;
    try {
      await this.#unpack(launch, key, boot.digest, options);
      await resumeMachine(machineDirectory(context, record), options);
      return true;
    } catch (error) {
      await dismantle(context, store, record);
      if (ImgkitError.is(error, 'CANCELLED')) throw error;
      await this.delete(context, store, key);
      return false;
    }
  }

  async #unpack(
    launch: WarmLaunch,
    key: string,
    digest: string,
    options: MachineCallOptions,
  ): Promise<void> {
    const { context, store, record, request, hostKey } = launch;
    const from = directoryOf(context, key);
    const state = await readState(from);
    if (state === undefined) throw new ImgkitError('NOT_FOUND', 'the saved state is gone');
    const nonce = randomUUID();
    const configuration = {
      ...launch.configuration,
      instanceId: state.instanceId,
      resume: { nonce },
    };
    const directory = await beginMachine(context, record, configuration);
    const files = await unpackState(state, from, directory, options);
    for (const file of [...state.disks, ...files])
      store.overlays.claim(join(directory, file), digest);
    const disks = configuration.disks.map((disk, index) => ({
      ...disk,
      file: files[index] ?? disk.file,
    }));
    const { authorizedKeys } = configuration;
    const identity = {
      hostname: request.name,
      authorizedKeys,
      hostKey,
      formerKeys: state.authorizedKeys,
    };
    const script = identityScript({ ...identity, now: Date.now() });
    await writeSeed(directory, configuration, request, hostKey, { nonce, script });
    await writeConfiguration(directory, { ...configuration, disks });
  }

  async #keyOf(configuration: MachineConfiguration, plan: LaunchPlan): Promise<string> {
    const [boot] = plan.disks;
    const content = boot?.kind === 'blob' ? `${boot.digest} ${boot.sizeBytes}` : 'nothing';
    const state = fingerprint(configuration, await this.#host.version());
    return createHash('sha256').update(`${content}\n${state}`).digest('hex');
  }

  // States are large, and the images they are of change: the ones not saved lately go.
  async #prune(context: LocalContext, store: LocalStore, kept: string): Promise<void> {
    const { warm } = storeLayout(context.root);
    const saved: { readonly key: string; readonly at: number }[] = [];
    for (const key of await readdir(warm)) {
      if (keyPattern.test(key) && key !== kept) {
        saved.push({
          key,
          at: await stat(join(warm, key)).then(
            ({ mtimeMs }) => mtimeMs,
            () => 0,
          ),
        });
      }
    }
    const old = saved.toSorted((a, b) => b.at - a.at).slice(mostStates - 1);
    for (const { key } of old) await store.overlays.removeDirectory(join(warm, key));
  }
}

function directoryOf(context: LocalContext, key: string): string {
  return join(storeLayout(context.root).warm, key);
}
