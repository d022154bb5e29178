import { objectOf, textOf } from '../../control-plane/json.ts';
import { makeDisk } from '../disks/real-disks.ts';
import type { Handler } from '../call.ts';
import { ArmError } from '../errors.ts';
import { idKey } from '../resource-id.ts';
import { propertiesOf, setProperties } from '../state.ts';
import { run, setPower } from './life.ts';
import { disksOf } from './machine-disks.ts';
import { inTurn } from './machine-record.ts';
import { machineOf } from './virtual-machines.ts';

/** Makes the boot disk anew, of the image that the machine was made of. */
export const reimage: Handler = (call) => {
  const stored = call.target();
  const machine = machineOf(stored);
  const { world } = call;
  const storage = objectOf(propertiesOf(stored), 'storageProfile');
  if (objectOf(storage, 'imageReference') === undefined)
    throw new ArmError(
      409,
      'OperationNotAllowed',
      `The VM '${call.name}' was not made of an image.`,
    );
  setProperties(stored, { provisioningState: 'Updating' });
  return call.start(
    {
      collection: 'operations',
      location: textOf(stored.resource, 'location') ?? '',
      finish: () =>
        inTurn(machine, async () => {
          const [boot] = disksOf(world, stored);
          await world.hardware?.deleteInstance(idKey(stored.id));
          if (boot !== undefined) {
            await world.hardware?.deleteDisk(idKey(boot.disk.id));
            await makeDisk(world, boot.disk);
          }
          machine.launched = false;
          setPower(world, machine, 'starting');
          await run(world, stored, machine);
          setProperties(stored, { provisioningState: 'Succeeded' });
        }),
      failed: () => setProperties(stored, { provisioningState: 'Failed' }),
    },
    { status: 202 },
  );
};
