import type { CallOptions, Instance, InstanceStatus, OperationControl } from '@imgkit/core';

import { object, text, type WireObject } from '../api/wire.ts';
import type { OperationEnd } from '../client.ts';
import type { AzureContext } from '../context.ts';
import { powerOf } from '../mapping/instance.ts';
import type { OperationToken } from '../resources/operation-token.ts';
import { readResource, type ResourceKind } from '../resources/resource-calls.ts';

/** Carries out an action on a machine, and waits until it is done. */
export async function actOn(
  context: AzureContext,
  token: OperationToken,
  action: string,
  control: Pick<OperationControl, 'signal' | 'accepted'>,
  body?: WireObject,
): Promise<OperationEnd> {
  const { signal } = control;
  const { operation, output } = await context.client.act(token.target, action, body, { signal });
  if (operation === undefined) return { output };
  return context.waitFor(control, { ...token, operation });
}

/**
 * Stops a machine so that it costs nothing: it is deallocated. Azure asks the guest, and waits for it as long as it likes;
 * without grace the plug is pulled first. One whose boot disk is on its host would lose it, and is only switched off.
 */
export async function halt(
  context: AzureContext,
  native: WireObject,
  { call, graceMs }: { readonly call: string; readonly graceMs: number },
  control: Pick<OperationControl, 'signal' | 'accepted'>,
): Promise<void> {
  const target = text(native, 'id') ?? '';
  const token = { call, operation: null, target, rest: null };
  const power = powerOf(native);
  const runs = power !== 'stopped' && power !== 'deallocated';
  const osDisk = object(object(native, 'storageProfile'), 'osDisk');
  const ephemeral = object(osDisk, 'diffDiskSettings') !== undefined;
  if (runs && (graceMs === 0 || ephemeral))
    await actOn(context, token, 'powerOff', control, { skipShutdown: graceMs === 0 });
  if (!ephemeral && power !== 'deallocated') await actOn(context, token, 'deallocate', control);
}

/** A machine as soon as it is in none of some states. */
export async function settled(
  context: AzureContext,
  kind: ResourceKind<Instance>,
  id: string,
  passing: readonly InstanceStatus[],
  options: CallOptions,
): Promise<WireObject> {
  for (let delay = 200; ; delay = Math.min(delay * 2, 5_000)) {
    const native = await readResource(context, kind, id, options);
    if (!passing.includes(kind.show(native).status)) return native;
    await context.clock.sleep(delay, options.signal);
  }
}
