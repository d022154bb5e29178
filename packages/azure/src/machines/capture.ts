import {
  ImgkitError,
  type CallOptions,
  type ImageSource,
  type OperationControl,
} from '@imgkit/core';

import { object, text, type WireObject } from '../api/wire.ts';
import type { AzureContext } from '../context.ts';
import type { AzureImageOptions } from '../images/image-request.ts';
import { planOf } from '../images/marketplace.ts';
import { isGeneralized, powerOf } from '../mapping/instance.ts';
import { formatId, parseIdOf } from '../resources/resource-id.ts';
import type { PreparedSource } from '../images/sources.ts';
import { generalizeMachine, requireGeneralizable } from './generalization.ts';
import { actOn, halt } from './power.ts';

type InstanceSource = Extract<ImageSource, { readonly kind: 'instance' }>;

const type = 'Microsoft.Compute/virtualMachines';

/**
 * What a version is made of that is made of a machine.
 *
 * Nothing is done yet: what has to be done to the machine first is done when the place of the version is known.
 *
 * - A machine that was generalized, or is so on request, is captured as a whole, by Azure's own way.
 * - With `osState: 'Specialized'`, too: it keeps its host name and users, and goes on.
 * - Otherwise the version is made of its boot disk, and the machine stays as it is: nothing is done to it that can't be
 *   undone. What makes a disk one for other machines, `@imgkit/bake` has then done in the guest.
 *
 * @throws {@link ImgkitError} with `FAILED_PRECONDITION` for one that runs, unless it may be stopped or flushed.
 */
export async function captureInstance(
  context: AzureContext,
  { instance, whenRunning = 'refuse' }: InstanceSource,
  options: AzureImageOptions,
  call?: CallOptions,
): Promise<PreparedSource> {
  const found = parseIdOf(type, instance);
  if (found === undefined)
    throw new ImgkitError('NOT_FOUND', `"${instance}" is not the id of an instance`, {
      resource: instance,
    });
  const id = formatId(found);
  const read = ({ signal }: CallOptions = {}) =>
    context.client.get(id, { signal, expand: 'instanceView' });
  const native = await read(call);
  const whole = { storageProfile: { source: { virtualMachineId: id } } };
  if (isGeneralized(native)) {
    if (options.osState === 'Specialized') throw generalizedAlready(id);
    return { ...whole, facts: factsOf(native, 'Generalized') };
  }
  if (options.generalize === true) {
    requireGeneralizable(native, options);
    const ready = async (control: OperationControl, key: string) =>
      generalizeMachine(context, await read(control), { key, options }, control);
    return { ...whole, ready, facts: factsOf(native, 'Generalized') };
  }
  if (options.osState !== 'Specialized') refuseWindows(native);
  if (whenRunning === 'refuse') refuseRunning(native);
  const ready = async (control: OperationControl) =>
    quieten(context, await read(control), whenRunning, control);
  if (options.osState === 'Specialized')
    return { ...whole, ready, facts: factsOf(native, 'Specialized') };
  const disk = text(object(bootDisk(native), 'managedDisk'), 'id');
  if (disk === undefined)
    throw new ImgkitError('FAILED_PRECONDITION', `the boot disk of ${id} is on its host only`, {
      resource: id,
      hint: 'Launch machines that are to be captured without `ephemeralOsDisk`.',
    });
  return {
    storageProfile: { osDiskImage: { source: { id: disk } } },
    ready,
    facts: factsOf(native, undefined),
  };
}

/** Sees to it that nothing is being written to a machine's disks, as far as its source says. */
async function quieten(
  context: AzureContext,
  native: WireObject,
  whenRunning: NonNullable<InstanceSource['whenRunning']>,
  control: OperationControl,
): Promise<void> {
  const id = text(native, 'id') ?? '';
  const power = powerOf(native);
  if (power === 'stopped' || power === 'deallocated') return;
  const token = { call: 'images.create', operation: null, target: id, rest: null };
  // Nothing has been accepted yet that could be resumed: the image isn't begun.
  const waiting = { signal: control.signal, accepted: () => undefined };
  switch (whenRunning) {
    case 'refuse':
      return refuseRunning(native);
    case 'stop':
      control.progress('stopping the machine', 0);
      return halt(context, native, { call: 'images.create', graceMs: 90_000 }, waiting);
    case 'flush':
      control.progress('flushing the machine', 0);
      await actOn(context, token, 'runCommand', waiting, {
        commandId: 'RunShellScript',
        script: ['sync'],
      });
  }
}

function refuseRunning(native: WireObject): void {
  const power = powerOf(native);
  if (power === 'stopped' || power === 'deallocated') return;
  const id = text(native, 'id') ?? '';
  throw new ImgkitError('FAILED_PRECONDITION', `${id} is ${power ?? 'not stopped'}`, {
    resource: id,
    hint: "Stop it first, or say whenRunning: 'stop' or 'flush'.",
  });
}

function factsOf(native: WireObject, osState: string | undefined) {
  const disk = bootDisk(native);
  return {
    osType: text(disk, 'osType'),
    osState,
    hyperVGeneration: text(object(native, 'instanceView'), 'hyperVGeneration'),
    architecture: undefined,
    securityType: securityFor(text(object(native, 'securityProfile'), 'securityType'), osState),
    plan: planOf(native, 'plan'),
  };
}

/**
 * What ran with more security gives images for such machines, and for others; but for a specialized one, which has the
 * state of its firmware in it. https://learn.microsoft.com/azure/virtual-machines/trusted-launch
 */
function securityFor(security: string | undefined, osState: string | undefined) {
  if (security === undefined || security === 'Standard') return undefined;
  return osState === 'Specialized' ? security : `${security}Supported`;
}

function bootDisk(native: WireObject): WireObject | undefined {
  return object(object(native, 'storageProfile'), 'osDisk');
}

function refuseWindows(native: WireObject): void {
  if (text(bootDisk(native), 'osType') !== 'Windows') return;
  const id = text(native, 'id') ?? '';
  throw new ImgkitError('FAILED_PRECONDITION', `${id} runs Windows, and was not generalized`, {
    resource: id,
    hint: "Run `sysprep /generalize /oobe /shutdown` in it, and say providerOptions: { generalize: true } once it has stopped. Or make a specialized image: providerOptions: { osState: 'Specialized' }.",
  });
}

function generalizedAlready(id: string): ImgkitError {
  return new ImgkitError('FAILED_PRECONDITION', `${id} was generalized`, {
    resource: id,
    hint: 'No specialized image can be made of it any more: leave `osState` out.',
  });
}
