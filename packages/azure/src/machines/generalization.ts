import { ImgkitError, type OperationControl } from '@imgkit/core';

import { object, objects, text, type WireObject } from '../api/wire.ts';
import type { AzureContext } from '../context.ts';
import type { AzureImageOptions } from '../images/image-request.ts';
import { isGeneralized, powerOf } from '../mapping/instance.ts';
import { consoleTail } from './console.ts';
import { actOn, halt } from './power.ts';

/** How long a guest may take to take its identity out and power itself off. */
const longestDeprovisionMs = 15 * 60_000;
/** How long Azure may take until it shows what a guest printed last. */
const longestConsoleMs = 3 * 60_000;
const mark = 'imgkit-deprovision';

/**
 * Takes the identity out of a guest and powers it off. It begins a moment later: by then the agent has told that the command
 * ran, which it can't any more when it has removed itself and the user it made. What is printed on the console at the end
 * tells whoever comes after a crash or a lost answer that it was this.
 * https://learn.microsoft.com/azure/virtual-machines/generalize
 */
const deprovision = (
  key: string,
): string => `if ! command -v waagent >/dev/null 2>&1; then echo ${mark}: no agent; exit 0; fi
nohup sh -c 'sleep 5; waagent -deprovision+user -force && echo ${mark}: ${key} done >/dev/console; sync; poweroff' >/dev/null 2>&1 &
echo ${mark}: begun
`;

/**
 * What a guest does before an image is made of its boot disk: its agent, where it has one, forgets what it was told, with
 * secrets that may have been in it, and the user that it made for us.
 */
export const sealScript = `command -v waagent >/dev/null 2>&1 || exit 0
waagent -deprovision+user -force
`;

/**
 * Refuses to generalize what can't be known to be ready for it: it can't be undone.
 *
 * @throws {@link ImgkitError} with `FAILED_PRECONDITION`.
 */
export function requireGeneralizable(native: WireObject, { osState }: AzureImageOptions): void {
  const id = text(native, 'id') ?? '';
  const refuse = (message: string, hint: string): never => {
    throw new ImgkitError('FAILED_PRECONDITION', message, { resource: id, hint });
  };
  if (osState === 'Specialized')
    refuse(`${id} is to be generalized for a specialized image`, 'Say only one of the two.');
  const state = text(native, 'provisioningState');
  if (state !== 'Succeeded')
    refuse(`${id} is ${state ?? 'in an unknown state'}`, 'Wait until nothing is going on on it.');
  const power = powerOf(native);
  const stopped = power === 'stopped' || power === 'deallocated';
  if (!stopped && power !== 'running')
    refuse(`${id} is ${power ?? 'in an unknown state'}`, 'Wait until it runs, or has stopped.');
  const osDisk = object(object(native, 'storageProfile'), 'osDisk');
  if (text(osDisk, 'osType') === 'Windows' && !stopped)
    refuse(
      `${id} runs Windows, and has not stopped`,
      'Run `sysprep /generalize /oobe /shutdown` in it first: it stops then.',
    );
}

/**
 * Generalizes a machine: takes its identity out of the guest, deallocates it, and marks it for Azure. **It can never be
 * started again.** Each step may be repeated, after a crash or a lost answer.
 */
export async function generalizeMachine(
  context: AzureContext,
  native: WireObject,
  { key, options }: { readonly key: string; readonly options: AzureImageOptions },
  control: OperationControl,
): Promise<void> {
  const id = text(native, 'id') ?? '';
  if (isGeneralized(native)) return;
  const token = { call: 'images.create', operation: null, target: id, rest: null };
  const waiting = { signal: control.signal, accepted: () => undefined };
  const read = () => context.client.get(id, { signal: control.signal, expand: 'instanceView' });
  const windows = text(object(object(native, 'storageProfile'), 'osDisk'), 'osType') === 'Windows';
  if (options.deprovision !== false && !windows) {
    control.progress('taking its identity out of the machine', 0);
    if (powerOf(native) === 'running') await deprovisioned(context, { id, key, read }, control);
    else if (!(await saidSo(context, { id, key }, 0, control))) throw notReady(id);
  }
  control.progress('deallocating the machine', 0);
  await halt(context, await read(), { call: 'images.create', graceMs: 90_000 }, waiting);
  control.progress('generalizing the machine', 0);
  await actOn(context, token, 'generalize', waiting);
  if (isGeneralized(await read())) return;
  throw new ImgkitError('OPERATION_FAILED', `Azure doesn't say of ${id} that it is generalized`, {
    resource: id,
    hint: 'Try again: what is done already is not done twice.',
  });
}

/** A machine whose guest is to take its identity out of itself. */
interface Deprovisioned {
  readonly id: string;
  /** The key of the creation that it is for. */
  readonly key: string;
  readonly read: () => Promise<WireObject>;
}

/** Lets a guest take its identity out of itself, and waits until it has powered itself off. */
async function deprovisioned(
  context: AzureContext,
  { id, key, read }: Deprovisioned,
  control: OperationControl,
): Promise<void> {
  const { clock } = context;
  const token = { call: 'images.create', operation: null, target: id, rest: null };
  const waiting = { signal: control.signal, accepted: () => undefined };
  const command = { commandId: 'RunShellScript', script: deprovision(key).split('\n') };
  let begun = false;
  try {
    const { output } = await actOn(context, token, 'runCommand', waiting, command);
    const told = objects(output, 'value').map((one) => text(one, 'message') ?? '');
    begun = told.some((message) => message.includes(`${mark}: begun`));
    if (!begun) throw noAgent(id, told);
  } catch (error) {
    // Asked again after a lost answer, it may find the guest gone: then its console tells.
    const gone = ImgkitError.is(error, 'FAILED_PRECONDITION') && error.providerCode !== undefined;
    if (!gone || powerOf(await read()) === 'running') throw error;
  }
  const end = clock.now() + longestDeprovisionMs;
  for (let delay = 500; powerOf(await read()) === 'running'; delay = Math.min(delay * 2, 10_000)) {
    if (clock.now() > end)
      throw new ImgkitError('TIMEOUT', `the guest of ${id} did not power itself off`, {
        resource: id,
        hint: 'Its identity may be taken out of it in part: look at its console. It was not generalized.',
      });
    await clock.sleep(delay, control.signal);
  }
  if (!begun && !(await saidSo(context, { id, key }, longestConsoleMs, control)))
    throw notReady(id);
}

/** Whether a guest has printed that it has taken its identity out of itself, for this creation. */
async function saidSo(
  context: AzureContext,
  { id, key }: Pick<Deprovisioned, 'id' | 'key'>,
  longestMs: number,
  { signal }: OperationControl,
): Promise<boolean> {
  const { clock } = context;
  const end = clock.now() + longestMs;
  for (;;) {
    const printed = await consoleTail(context, id, { maxBytes: 65_536, signal });
    if (printed.includes(`${mark}: ${key} done`)) return true;
    if (clock.now() >= end) return false;
    await clock.sleep(5_000, signal);
  }
}

function notReady(id: string): ImgkitError {
  return new ImgkitError(
    'FAILED_PRECONDITION',
    `${id} has stopped, so that its identity can't be taken out of it`,
    {
      resource: id,
      hint: 'Start it first. If that has been done in the guest already, say providerOptions: { generalize: true, deprovision: false }.',
    },
  );
}

function noAgent(id: string, told: readonly string[]): ImgkitError {
  return new ImgkitError('FAILED_PRECONDITION', `the guest of ${id} has no agent of Azure's`, {
    resource: id,
    hint: 'Take its identity out of it by other means, stop it, and say providerOptions: { generalize: true, deprovision: false }.',
    data: { output: told.join('\n').slice(-2000) },
  });
}
