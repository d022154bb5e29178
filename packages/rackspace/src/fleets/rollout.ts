import { randomUUID } from 'node:crypto';

import {
  ImgkitError,
  nextRolloutStep,
  type CallOptions,
  type OperationControl,
  type RolloutStep,
} from '@imgkit/core';

import { serverFault } from '../instances/server-state.ts';
import type { CloudContext } from '../resources/context.ts';
import { removeImage } from '../resources/image-deletion.ts';
import { thisProcess } from '../resources/image-maker.ts';
import { isWorkedOn, stopped, targetOf, type FleetDocument } from './fleet-document.ts';
import { changeFleet, findFleet, knownFleet, type FleetRecord } from './fleet-record.ts';
import {
  addMembers,
  membersOf,
  rebuildMember,
  removeMembers,
  type FleetMember,
} from './fleet-members.ts';

/** How long to wait for machines on their way up before they are looked at again. */
const settleMs = 500;

/** Brings fleets to what their records say, one step after the other. */
export class Rollouts {
  readonly #context: CloudContext;

  constructor(context: CloudContext) {
    this.#context = context;
  }

  /** Marks a call of this process. */
  owner(): string {
    return `${thisProcess()}~${randomUUID()}`;
  }

  /**
   * Changes what a fleet is to become, and makes its change ours.
   *
   * @param takeOver - Whether a change that goes on is ended for that.
   * @throws `FAILED_PRECONDITION` while another change goes on.
   */
  async begin(
    id: string,
    change: (doc: FleetDocument) => FleetDocument,
    { takeOver = false, signal }: CallOptions & { readonly takeOver?: boolean } = {},
  ): Promise<string> {
    const owner = this.owner();
    await changeFleet(
      this.#context,
      id,
      (doc) => {
        // Read again after it was written, it is ours already.
        if (doc.owner === owner) return undefined;
        if (!takeOver && (isWorkedOn(doc, this.#context.clock.now()) || doc.deleting))
          throw new ImgkitError('FAILED_PRECONDITION', `a change of fleet "${id}" goes on`, {
            resource: id,
            hint: 'Wait for its end, or roll it back.',
          });
        const begun = { rolling: true, paused: false, failure: undefined, owner };
        return { ...change(doc), ...begun, seen: this.#now() };
      },
      { signal },
    );
    return owner;
  }

  /** Carries out the change that `owner` began. */
  async carryOut(id: string, owner: string, control: OperationControl): Promise<void> {
    const context = this.#context;
    const { signal } = control;
    try {
      let budget: number | undefined;
      let broken: readonly string[] | undefined;
      for (;;) {
        const record = await this.#own(id, owner, { signal });
        const { doc, image } = record;
        if (doc.paused) {
          await context.sleep(1000, signal);
          continue;
        }
        const members = await membersOf(context, record, { signal });
        if (members.some(({ pending }) => pending)) {
          await context.sleep(settleMs, signal);
          continue;
        }
        const failed = members.filter(({ target, server }) => target && server.status === 'ERROR');
        // Those of before are replaced. One that fails now isn't tried again and again.
        broken ??= failed.map((member) => member.id);
        for (const member of failed)
          if (!broken.includes(member.id)) throw serverFault(member.server);
        const step = nextRolloutStep(members, doc);
        this.#report(members, doc, control);
        if (step.kind === 'done') {
          await this.#change(id, owner, (now) => ({ ...now, rolling: false, owner: undefined }));
          return;
        }
        budget ??= 2 * (doc.size + members.length) + 2;
        budget -= 1;
        if (budget < 0) throw neverUp(image.name ?? id);
        await this.#carryOut(record, members, step, control);
        await this.#change(id, owner, (now) => ({ ...now, seen: this.#now() }), signal);
      }
    } catch (error) {
      const failure = error instanceof Error ? error.message : String(error);
      await this.#change(id, owner, (now) => ({ ...now, owner: undefined, failure })).catch(
        () => undefined, // what went wrong first says more
      );
      throw error;
    }
  }

  /** Waits for the end of a change that another call carries out; takes it over when that one died. */
  async join(id: string, control: OperationControl): Promise<void> {
    const context = this.#context;
    const left = await context.poll(async () => {
      const { doc, image } = await knownFleet(context, id, control);
      if (!doc.rolling) return 'done';
      if (doc.failure !== undefined) throw stopped(image.name ?? id, doc.failure);
      return isWorkedOn(doc, context.clock.now()) ? undefined : 'left';
    }, control.signal);
    if (left === 'done') return;
    await this.carryOut(id, await this.begin(id, (doc) => doc, control), control);
  }

  /** Removes a fleet and its machines; who is changing it stops. */
  async clear(id: string, options: CallOptions = {}): Promise<void> {
    const context = this.#context;
    await this.begin(id, (doc) => ({ ...doc, deleting: true }), { ...options, takeOver: true });
    for (;;) {
      const record = await findFleet(context, id, options);
      if (record === undefined) return;
      const members = await membersOf(context, record, options);
      if (members.length === 0) break;
      await removeMembers(
        context,
        members.map((member) => member.id),
        options,
      );
    }
    await removeImage(context, id, options);
  }

  async #carryOut(
    record: FleetRecord,
    members: readonly FleetMember[],
    step: Exclude<RolloutStep, { readonly kind: 'done' }>,
    control: OperationControl,
  ): Promise<void> {
    const context = this.#context;
    if (step.kind === 'add') {
      const added = await addMembers(context, record, members, step.count, control);
      const now = await findFleet(context, record.image.id, control);
      // Whoever deletes the fleet may not have seen them.
      if (now === undefined || now.doc.deleting) await removeMembers(context, added);
      return;
    }
    const gone = members.filter(({ id }) => step.ids.includes(id));
    const rebuilt = record.doc.strategy === 'rebuild' ? rebuildable(gone, members, record.doc) : [];
    // What one of them runs into doesn't leave the others half done.
    const ended = await Promise.allSettled(
      gone.map((member) =>
        rebuilt.includes(member)
          ? rebuildMember(context, record, member, control)
          : removeMembers(context, [member.id], control),
      ),
    );
    const failed = ended.find((one) => one.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  #report(members: readonly FleetMember[], { size }: FleetDocument, control: OperationControl) {
    const done = members.filter(({ target, running }) => target && running).length;
    control.progress(
      `machines of the new template: ${done}`,
      Math.min(1, done / Math.max(1, size)),
    );
  }

  async #own(id: string, owner: string, options: CallOptions): Promise<FleetRecord> {
    const record = await findFleet(this.#context, id, options);
    if (record === undefined) throw stopped(id, 'the fleet was deleted meanwhile');
    if (record.doc.owner === owner) return record;
    throw stopped(record.image.name ?? id, 'another call changes the fleet now');
  }

  /** Changes what is written down, as long as the change is ours. */
  #change(
    id: string,
    owner: string,
    change: (doc: FleetDocument) => FleetDocument,
    signal?: AbortSignal,
  ): Promise<void> {
    const ours = (doc: FleetDocument) => (doc.owner === owner ? change(doc) : undefined);
    return changeFleet(this.#context, id, ours, { signal });
  }

  #now(): string {
    return new Date(this.#context.clock.now()).toISOString();
  }
}

/** Those that are to be replaced can be rebuilt, as many as there shall be; the others are too many. */
function rebuildable(
  gone: readonly FleetMember[],
  members: readonly FleetMember[],
  doc: FleetDocument,
): readonly FleetMember[] {
  const wanted = Math.min(doc.size, doc.canary ?? doc.size);
  const current = members.filter(({ target, running }) => target && running).length;
  return gone
    .filter(({ template }) => template !== targetOf(doc))
    .slice(0, Math.max(0, wanted - current));
}

function neverUp(name: string): ImgkitError {
  return new ImgkitError('OPERATION_FAILED', `machines of fleet "${name}" don't stay up`, {
    hint: 'Launch one machine of the template by itself, and read its console.',
  });
}
