import { objectOf, textOf, textsOf, type JsonObject } from '../../control-plane/json.ts';
import type { Call, Handler } from '../call.ts';
import { ArmError } from '../errors.ts';
import { idKey } from '../resource-id.ts';
import { propertiesOf, setProperties, type Stored } from '../state.ts';
import { halt, run, setPower } from './life.ts';
import { inTurn, type MachineRecord, type Power } from './machine-record.ts';
import type { EmulatedGuestOutput } from './guest.ts';
import { machineOf } from './virtual-machines.ts';

/** An action on a machine, which lasts. */
function lasting(
  during: Power | undefined,
  work: (call: Call, stored: Stored, machine: MachineRecord) => Promise<JsonObject | undefined>,
): Handler {
  return (call) => {
    const stored = call.target();
    const machine = machineOf(stored);
    const before = machine.power;
    if (during !== undefined && before !== 'unknown') setPower(call.world, machine, during);
    setProperties(stored, { provisioningState: 'Updating' });
    let output: JsonObject | undefined;
    return call.start(
      {
        collection: 'operations',
        location: textOf(stored.resource, 'location') ?? '',
        finish: () =>
          inTurn(machine, async () => {
            output = await work(call, stored, machine);
            setProperties(stored, { provisioningState: 'Succeeded' });
          }),
        output: () => output,
        result: () => output,
        failed() {
          machine.power = before;
          setProperties(stored, { provisioningState: 'Failed' });
        },
      },
      { status: 202 },
    );
  };
}

/** Refuses what can't be done to a machine that was generalized. */
function unlessGeneralized(operation: string, handler: Handler): Handler {
  return (call) => {
    const { generalized } = machineOf(call.target());
    if (generalized)
      throw new ArmError(
        409,
        'OperationNotAllowed',
        `Operation '${operation}' is not allowed on VM '${call.name}' since the VM is generalized.`,
      );
    return handler(call);
  };
}

const runs = ({ power }: MachineRecord): boolean => power === 'running' || power === 'starting';

const start = unlessGeneralized('start', (call) => {
  const machine = machineOf(call.target());
  const up = machine.power === 'running';
  return lasting(up ? undefined : 'starting', async ({ world }, stored) => {
    if (!up) await run(world, stored, machine);
    return undefined;
  })(call);
});

const powerOff: Handler = (call) => {
  const graceful = call.parts.search.get('skipShutdown') !== 'true';
  return lasting('stopping', async ({ world }, stored, machine) => {
    await halt(world, stored, machine, { graceful, to: 'stopped' });
    return undefined;
  })(call);
};

const deallocate: Handler = (call) => {
  const stored = call.target();
  const osDisk = objectOf(objectOf(propertiesOf(stored), 'storageProfile'), 'osDisk');
  if (objectOf(osDisk, 'diffDiskSettings') !== undefined)
    throw new ArmError(
      409,
      'OperationNotAllowed',
      `Operation 'deallocate' is not supported for VMs or VM Scale Set instances using an ephemeral OS disk.`,
    );
  return lasting('deallocating', async ({ world }, found, machine) => {
    await halt(world, found, machine, { graceful: true, to: 'deallocated' });
    return undefined;
  })(call);
};

const restart = unlessGeneralized(
  'restart',
  lasting(undefined, async ({ world }, stored, machine) => {
    await halt(world, stored, machine, { graceful: true, to: 'stopped' });
    await run(world, stored, machine);
    return undefined;
  }),
);

const redeploy = unlessGeneralized(
  'redeploy',
  lasting(undefined, async ({ world }, stored, machine) => {
    const up = runs(machine);
    await halt(world, stored, machine, { graceful: false, to: 'stopped' });
    if (up) await run(world, stored, machine);
    return undefined;
  }),
);

/** Done at once, and for ever. */
const generalize: Handler = (call) => {
  const machine = machineOf(call.target());
  if (machine.power !== 'stopped' && machine.power !== 'deallocated')
    throw new ArmError(
      409,
      'OperationNotAllowed',
      `Operation 'generalize' is not allowed on VM '${call.name}' since the VM is ${machine.power}. Stop or deallocate it first.`,
    );
  machine.generalized = true;
  machine.since = call.now;
  return { status: 200 };
};

const runCommand: Handler = (call) => {
  const target = machineOf(call.target());
  if (!runs(target))
    throw new ArmError(
      409,
      'OperationNotAllowed',
      'The operation requires the VM to be running (or set to run).',
    );
  const command = textOf(call.body, 'commandId') ?? '';
  if (command !== 'RunShellScript')
    throw new ArmError(404, 'NotFound', `The entity was not found: command '${command}'.`);
  const script = textsOf(call.body, 'script').join('\n');
  return lasting(undefined, async ({ world }, stored, machine) => {
    const done: EmulatedGuestOutput =
      (await world.hardware?.run(idKey(stored.id), script)) ??
      (await world.guest({ id: stored.id, script }));
    machine.printed += done.console ?? '';
    if (done.powersOff === true) setPower(world, machine, 'stopped');
    const { stdout = '', stderr = '' } = done;
    return {
      value: [
        {
          code: 'ProvisioningState/succeeded',
          level: 'Info',
          displayStatus: 'Provisioning succeeded',
          message: `Enable succeeded: \n[stdout]\n${stdout}\n[stderr]\n${stderr}`,
        },
      ],
    };
  })(call);
};

export const actions = {
  start,
  powerOff,
  deallocate,
  restart,
  redeploy,
  generalize,
  runCommand,
} as const;
