import { objectOf, objectsOf, textOf, type JsonObject } from '../../control-plane/json.ts';
import { propertiesOf, stateOf, type Stored } from '../state.ts';
import type { MachineRecord } from './machine-record.ts';

/** What a machine is at this moment. */
export function instanceView(
  stored: Stored,
  machine: MachineRecord,
  consoleUri: string | undefined,
): JsonObject {
  const properties = propertiesOf(stored);
  const storage = objectOf(properties, 'storageProfile');
  const disks = [objectOf(storage, 'osDisk'), ...objectsOf(storage, 'dataDisks')];
  const computerName = textOf(objectOf(properties, 'osProfile'), 'computerName');
  const time = machine.since;
  return {
    ...(computerName === undefined ? {} : { computerName }),
    hyperVGeneration: 'V2',
    vmAgent: agentView(machine),
    disks: disks.map((disk) => ({
      name: textOf(disk, 'name') ?? '',
      statuses: [status('ProvisioningState/succeeded', 'Provisioning succeeded', time)],
    })),
    ...(consoleUri === undefined
      ? {}
      : {
          bootDiagnostics: {
            consoleScreenshotBlobUri: `${consoleUri}&screenshot`,
            serialConsoleLogBlobUri: consoleUri,
          },
        }),
    statuses: statusesOf(stored, machine),
  };
}

/** The statuses of a machine: how its last change went, whether it was generalized, and whether it runs. */
export function statusesOf(stored: Stored, machine: MachineRecord): JsonObject[] {
  const state = stateOf(stored).toLowerCase();
  const { power, generalized, since } = machine;
  return [
    status(`ProvisioningState/${state}`, `Provisioning ${state}`, since),
    ...(generalized ? [status('OSState/generalized', 'VM generalized', since)] : []),
    ...(power === 'unknown' ? [] : [status(`PowerState/${power}`, `VM ${power}`)]),
  ];
}

function agentView({ power, since }: MachineRecord): JsonObject {
  const statuses =
    power === 'running'
      ? [
          {
            ...status('ProvisioningState/succeeded', 'Ready', since),
            message: 'Guest Agent is running',
          },
        ]
      : [{ ...status('ProvisioningState/Unavailable', 'Not Ready', since), level: 'Warning' }];
  return { vmAgentVersion: power === 'running' ? '2.14.0.1' : 'Unknown', statuses };
}

function status(code: string, displayStatus: string, time?: string): JsonObject {
  return { code, level: 'Info', displayStatus, ...(time === undefined ? {} : { time }) };
}
