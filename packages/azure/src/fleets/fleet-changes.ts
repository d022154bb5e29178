import { ImgkitError, type CallOptions, type Fleet, type OperationControl } from '@imgkit/core';

import { object, text, type WireObject } from '../api/wire.ts';
import type { OperationAddress, OperationEnd } from '../client.ts';
import { tokenOf, type AzureContext } from '../context.ts';
import type { OperationToken } from '../resources/operation-token.ts';
import { formatId } from '../resources/resource-id.ts';
import { carryOut } from './bounded-rollout.ts';
import { failedMachines } from './fleet-failure.ts';
import { rolloutOf } from './fleet-note.ts';
import {
  latestUpgrade,
  locateSet,
  readMembers,
  readSet,
  showFleet,
  upgradeCode,
} from './fleet-view.ts';

/** The calls that change a fleet, and are done when its machines are as wanted. */
export const fleetChanges = [
  'fleets.resize',
  'fleets.rollOut',
  'fleets.rollBack',
  'fleets.unpause',
] as const;

/** One of {@link fleetChanges}. */
export type FleetChange = (typeof fleetChanges)[number];

/** Changes a scale set by one PATCH, and waits for the machines. */
export async function changeSet(
  context: AzureContext,
  call: FleetChange,
  id: string,
  changes: WireObject,
  control: OperationControl,
): Promise<Fleet> {
  const target = formatId(locateSet(id));
  const operation = await context.client.patch(target, changes, control);
  return finishChange(context, tokenOf(call, operation ?? null, target), control);
}

/**
 * Waits until the machines are as wanted: Azure makes them so, or imgkit does where the scale set says that it has
 * a rollout. All that it needs stands at Azure, so that any process can go on.
 */
export async function finishChange(
  context: AzureContext,
  token: OperationToken,
  control: OperationControl,
): Promise<Fleet> {
  const { operation, target } = token;
  control.accepted(context.textOf(token));
  if (operation !== null)
    try {
      await context.wait(control, token, (options) =>
        lookAt(context, { ...token, operation }, control, options),
      );
    } catch (error) {
      // A newer change went before it, or it is so old that Azure has forgotten it: what stands is what counts.
      const passed = ImgkitError.is(error) && error.providerCode === 'OperationPreempted';
      if (!passed && !ImgkitError.is(error, 'NOT_FOUND'))
        throw await explained(context, target, error);
    }
  const set = await waitUntilQuiet(context, token, control);
  if (rolloutOf(set) !== undefined) await carryOut(context, token, control);
  const after = await readSet(context, target, control);
  if (text(after, 'provisioningState') === 'Failed') throw await failure(context, target, after);
  return showFleet(context, after, control);
}

/** Looks whether an operation is done; a rolling upgrade is part of one, and tells how far it is. */
async function lookAt(
  context: AzureContext,
  { operation, target }: OperationToken & { readonly operation: OperationAddress },
  control: OperationControl,
  options: CallOptions,
): Promise<OperationEnd | undefined> {
  const end = await context.client.poll(operation, options);
  if (end !== undefined) return end;
  const set = await readSet(context, target, options);
  const upgrade = await upgradeOf(context, set, target, options);
  if (upgradeCode(upgrade) === 'RollingForward') tellUpgrade(upgrade, control);
  else control.progress('changing the scale set');
  return undefined;
}

/** Waits until Azure does nothing on a scale set any more. */
async function waitUntilQuiet(
  context: AzureContext,
  token: OperationToken,
  control: OperationControl,
): Promise<WireObject> {
  const { target } = token;
  return context.wait(control, token, async (options) => {
    const set = await readSet(context, target, options);
    const upgrade = await upgradeOf(context, set, target, options);
    const code = upgradeCode(upgrade);
    if (code === 'RollingForward' || code === 'RollingBack') {
      tellUpgrade(upgrade, control);
      return undefined;
    }
    if (/^(?:Creating|Updating)$/.test(text(set, 'provisioningState') ?? '')) {
      control.progress('changing the scale set');
      return undefined;
    }
    return set;
  });
}

/** Only a scale set whose upgrades are Azure's own has one. */
async function upgradeOf(
  context: AzureContext,
  set: WireObject,
  id: string,
  options: { readonly signal?: AbortSignal | undefined },
): Promise<WireObject | undefined> {
  return text(object(set, 'upgradePolicy'), 'mode') === 'Rolling'
    ? latestUpgrade(context, id, options)
    : undefined;
}

function tellUpgrade(upgrade: WireObject | undefined, { progress }: OperationControl): void {
  const counts = object(upgrade, 'progress');
  const count = (name: string): number => Number(counts?.[`${name}InstanceCount`] ?? 0);
  const done = count('successful');
  const all = done + count('failed') + count('inProgress') + count('pending');
  progress(`${done} of ${all} machines are upgraded`, done / Math.max(1, all));
}

/** The error of an operation on a scale set, with the machines that it is about. */
async function explained(context: AzureContext, id: string, error: unknown): Promise<unknown> {
  if (!ImgkitError.is(error) || error.code === 'PENDING' || error.code === 'CANCELLED')
    return error;
  if (error.code !== 'OPERATION_FAILED' && error.code !== 'QUOTA_EXCEEDED') return error;
  const [members, upgrade] = await Promise.all([
    readMembers(context, id).catch(() => []),
    latestUpgrade(context, id).catch(() => undefined),
  ]);
  return failedMachines(error, members, upgrade, id);
}

/** Why a scale set is Failed, when no operation tells. */
async function failure(context: AzureContext, id: string, set: WireObject): Promise<ImgkitError> {
  const upgrade = await upgradeOf(context, set, id, {}).catch(() => undefined);
  const said = object(upgrade, 'error');
  const members = await readMembers(context, id).catch(() => []);
  const error = new ImgkitError(
    'OPERATION_FAILED',
    text(said, 'message') ?? `Azure could not make the machines of ${id} as wanted`,
    { providerCode: text(said, 'code') },
  );
  return failedMachines(error, members, upgrade, id);
}
