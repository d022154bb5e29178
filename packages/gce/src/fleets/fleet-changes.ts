import { ImgkitError, type Fleet, type OperationControl } from '@imgkit/core';

import { text, type WireObject } from '../api/wire.ts';
import type { ApiCall, MutationCall } from '../client.ts';
import { tokenOf, type GceContext } from '../context.ts';
import { callOnGroup } from './fleet-place.ts';
import { ownTemplates, removeTemplates, type OwnTemplate } from './fleet-templates.ts';
import { showFleet } from './fleet-view.ts';
import { templateBefore, versionsOf } from './group-state.ts';
import { waitUntilSettled } from './rollout.ts';

/** The calls that change a fleet, and are done when its machines are as wanted. */
export const fleetChanges = [
  'fleets.create',
  'fleets.resize',
  'fleets.rollOut',
  'fleets.rollBack',
  'fleets.unpause',
] as const;

/** One of {@link fleetChanges}. */
export type FleetChange = (typeof fleetChanges)[number];

/** A control that knows the token that was accepted last. */
export interface RememberingControl extends OperationControl {
  readonly token: () => string | undefined;
}

/** Carries changes of groups out. */
export class FleetChanges {
  readonly #context: GceContext;

  constructor(context: GceContext) {
    this.#context = context;
  }

  /** Changes some fields of a group as it was read. */
  patch(
    call: FleetChange,
    id: string,
    group: WireObject,
    fields: WireObject,
    control: OperationControl,
  ): Promise<Fleet> {
    return this.change({ call, ...patchOf(id, group, fields) }, id, control);
  }

  /** Makes a change, and waits for the machines. */
  async change(
    { call, ...mutation }: ApiCall & { readonly call: FleetChange },
    id: string,
    control: OperationControl,
  ): Promise<Fleet> {
    const context = this.#context;
    const started = await context.client.start({ ...mutation, target: id }, control);
    const accepted = rememberToken(control);
    await context.wait(accepted, tokenOf(call, started, id), 'changing the group');
    return this.finish(call, id, accepted);
  }

  /** Waits for the machines, and removes the templates that nothing goes back to any more. */
  async finish(call: FleetChange, id: string, control: RememberingControl): Promise<Fleet> {
    const context = this.#context;
    const wait = { call, id, token: control.token };
    const group = await waitUntilSettled(context, wait, control);
    if (call !== 'fleets.create' && call !== 'fleets.resize') {
      await this.removeLeftTemplates(id, group);
    }
    return showFleet(context, group, control);
  }

  /** Removes the templates of a fleet that its group, if it stands, neither has nor goes back to. */
  async removeLeftTemplates(id: string, group?: WireObject): Promise<void> {
    const context = this.#context;
    const templates: OwnTemplate[] = [];
    for await (const template of ownTemplates(context, id, {})) templates.push(template);
    const used = group === undefined ? [] : versionsOf(group).map(({ template }) => template);
    const before = group && templateBefore(group);
    const kept = new Set(before === undefined ? used : [...used, before]);
    const newest = templates
      .filter((template) => used.includes(template.id))
      .map(({ createdAt }) => Date.parse(createdAt))
      .reduce((a, b) => Math.max(a, b), 0);
    // A newer one is another change's, which is about to use it.
    const left = templates.filter(
      (template) =>
        !kept.has(template.id) && (group === undefined || Date.parse(template.createdAt) < newest),
    );
    await removeTemplates(
      context,
      left.map((template) => template.id),
    );
  }
}

/** A change of some fields of a group; somebody else's change since it was read makes Google refuse it. */
export function patchOf(id: string, group: WireObject, fields: WireObject): MutationCall {
  const { service, request } = callOnGroup(id);
  const instanceGroupManagerResource = { fingerprint: text(group, 'fingerprint'), ...fields };
  return {
    service,
    method: 'patch',
    request: { ...request, instanceGroupManagerResource },
    target: id,
  };
}

/** The control, with the token that was accepted last. */
export function rememberToken(control: OperationControl): RememberingControl {
  let last: string | undefined;
  return {
    ...control,
    accepted: (token) => {
      last = token;
      control.accepted(token);
    },
    token: () => last,
  };
}

/** Whether the cloud works on, although the call ends. */
export function goesOn(error: unknown): boolean {
  return ImgkitError.is(error, 'PENDING');
}
