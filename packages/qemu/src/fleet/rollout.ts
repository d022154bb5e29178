import { randomBytes, randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';

import {
  ImgkitError,
  nextRolloutStep,
  type OperationControl,
  type RolloutMember,
} from '@imgkit/core';
import { currentProcess } from '@imgkit/core/local';

import { dismantle } from '../machine/assembly.ts';
import { instanceKind, machineDirectory } from '../machine/instance-record.ts';
import type { InstanceLauncher } from '../machine/launcher.ts';
import { Machine } from '../machine/machine.ts';
import { formatId, parseId, type LocalContext } from '../resources/context.ts';
import { isWorkedOn, recordsOf } from '../resources/creation.ts';
import type { LocalStore } from '../store/local-store.ts';
import {
  fleetKind,
  membersOf,
  targetOf,
  type FleetDocument,
  type FleetRecord,
} from './fleet-record.ts';

const pollMs = 100;

/** Brings fleets to what their records say, one step after the other. */
export class Rollouts {
  readonly #context: LocalContext;
  readonly #launcher: InstanceLauncher;

  constructor(context: LocalContext, launcher: InstanceLauncher) {
    this.#context = context;
    this.#launcher = launcher;
  }

  /**
   * Changes what a fleet is to become, and makes its change ours.
   *
   * @param takeOver - Whether a change that goes on is ended for that.
   * @throws `FAILED_PRECONDITION` while another change goes on.
   */
  begin(
    store: LocalStore,
    seq: number,
    change: (doc: FleetDocument) => FleetDocument,
    takeOver = false,
  ): string {
    const owner = `${currentProcess()}~${randomUUID()}`;
    const records = recordsOf(store, fleetKind);
    store.catalog.transaction(() => {
      const record = this.#at(store, seq);
      if (!takeOver && isWorkedOn(record)) {
        throw new ImgkitError('FAILED_PRECONDITION', `a change of fleet "${record.name}" goes on`, {
          resource: formatId(record.project, 'fleets', record.name),
          hint: 'Wait for its end, or roll it back.',
        });
      }
      const doc = { ...change(record.doc), rolling: true, paused: false, failure: undefined };
      records.update(seq, { owner, doc });
    });
    return owner;
  }

  /** Carries out the change that `owner` began. */
  async carryOut(
    store: LocalStore,
    seq: number,
    owner: string,
    control: OperationControl,
  ): Promise<void> {
    const records = recordsOf(store, fleetKind);
    try {
      let budget: number | undefined;
      for (;;) {
        control.signal.throwIfAborted();
        const record = this.#own(store, seq, owner);
        if (record.doc.paused) {
          await delay(pollMs, undefined, { signal: control.signal });
          continue;
        }
        const members = await this.#members(store, record);
        const step = nextRolloutStep(members, record.doc);
        if (step.kind === 'done') {
          const doc = { ...record.doc, rolling: false };
          records.update(seq, { owner: undefined, doc });
          return;
        }
        budget ??= record.doc.size + members.length + 2;
        if (step.kind === 'remove') await this.#remove(store, record, step.ids);
        else {
          // One at a time, so that a pause or another's take-over is heard after each machine.
          if (budget-- <= 0) throw neverUp(record.name);
          await this.#add(store, record, owner, control);
        }
        const done = members.filter(({ target, running }) => target && running).length;
        control.progress(
          `machines of the new template: ${done}`,
          done / Math.max(1, record.doc.size),
        );
      }
    } catch (error) {
      const record = records.at(seq);
      if (record?.owner === owner) {
        const failure = error instanceof Error ? error.message : String(error);
        records.update(seq, { owner: undefined, doc: { ...record.doc, failure } });
      }
      throw error;
    }
  }

  /** Launches the machines of a fleet that is being made. */
  async fill(store: LocalStore, record: FleetRecord, control: OperationControl): Promise<void> {
    for (let count = 0; count < record.doc.size; count++) {
      control.signal.throwIfAborted();
      control.progress('launching the machines', count / record.doc.size);
      await this.#add(store, record, record.owner, control);
    }
  }

  /** Waits for the end of a change that another call carries out; takes it over when that one died. */
  async join(store: LocalStore, seq: number, control: OperationControl): Promise<void> {
    for (;;) {
      control.signal.throwIfAborted();
      const record = this.#at(store, seq);
      if (!record.doc.rolling) return;
      if (record.doc.failure !== undefined) throw stopped(record.name, record.doc.failure);
      if (!isWorkedOn(record)) {
        await this.carryOut(
          store,
          seq,
          this.begin(store, seq, (doc) => doc),
          control,
        );
        return;
      }
      await delay(pollMs, undefined, { signal: control.signal });
    }
  }

  /** Removes all machines of a fleet. */
  async clear(store: LocalStore, record: FleetRecord): Promise<void> {
    await this.#remove(
      store,
      record,
      membersOf(store, record).map(({ name }) => name),
    );
  }

  async #members(store: LocalStore, record: FleetRecord): Promise<RolloutMember[]> {
    const target = targetOf(record.doc);
    const members: RolloutMember[] = [];
    for (const member of membersOf(store, record)) {
      const machine = await Machine.find(machineDirectory(this.#context, member));
      const running =
        member.state === 'READY' && machine !== undefined && (await machine.isRunning());
      members.push({ id: member.name, target: member.doc.fleet?.template === target, running });
    }
    return members;
  }

  async #add(
    store: LocalStore,
    record: FleetRecord,
    owner: string | undefined,
    control: OperationControl,
  ): Promise<void> {
    const place = targetOf(record.doc);
    const template = record.doc.templates[place];
    if (template === undefined) throw stopped(record.name, 'its template is gone');
    const { boot } = template;
    const name = `${record.name.slice(0, 50)}-${randomBytes(4).toString('hex')}`;
    const instance = await this.#launcher.launchFrom(
      {
        ...template,
        // Whatever this provider is called now.
        boot:
          boot.kind === 'image' ? { kind: 'image', image: this.#context.ref(boot.image.id) } : boot,
        name,
        labels: { ...record.doc.labels, ...template.labels },
        fleet: { id: formatId(record.project, 'fleets', record.name), template: place },
      },
      { signal: control.signal },
    );
    if (recordsOf(store, fleetKind).at(record.seq)?.owner === owner) return;
    // The fleet was deleted, or changed by somebody else, who doesn't know of this machine.
    await this.#remove(store, record, [parseId(instance.id, 'instances')?.name ?? name]);
  }

  async #remove(store: LocalStore, record: FleetRecord, names: readonly string[]): Promise<void> {
    const records = recordsOf(store, instanceKind);
    for (const name of names) {
      const member = records.find(record.project, name);
      if (member === undefined) continue;
      await dismantle(this.#context, store, member);
      records.delete(member.seq);
    }
  }

  #at(store: LocalStore, seq: number): FleetRecord {
    const record = recordsOf(store, fleetKind).at(seq);
    if (record !== undefined) return record;
    throw new ImgkitError('OPERATION_FAILED', 'the fleet was deleted meanwhile');
  }

  #own(store: LocalStore, seq: number, owner: string): FleetRecord {
    const record = this.#at(store, seq);
    if (record.owner === owner) return record;
    throw stopped(record.name, 'another call changes the fleet now');
  }
}

function stopped(name: string, reason: string): ImgkitError {
  return new ImgkitError('OPERATION_FAILED', `the change of fleet "${name}" stopped: ${reason}`, {
    hint: 'Roll out again, or roll back.',
  });
}

function neverUp(name: string): ImgkitError {
  return new ImgkitError('OPERATION_FAILED', `machines of fleet "${name}" don't stay up`, {
    hint: 'Launch one machine of the template by itself, and read its console.',
  });
}
