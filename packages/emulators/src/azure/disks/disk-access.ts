import { textOf } from '../../control-plane/json.ts';
import type { Handler } from '../call.ts';
import { ArmError } from '../errors.ts';
import { propertiesOf, setProperties, stateOf } from '../state.ts';

/** Gives an address where the bytes of a disk or snapshot can be read for some time. */
const beginGetAccess: Handler = (call) => {
  const found = call.target();
  const { contents } = call.world;
  const properties = propertiesOf(found);
  const diskState = textOf(properties, 'diskState') ?? 'Reserved';
  if (contents === undefined)
    throw new ArmError(
      400,
      'OperationNotAllowed',
      'The emulator was started without blobs: it has no bytes to give.',
    );
  if (call.world.hardware !== undefined)
    throw new ArmError(
      400,
      'OperationNotAllowed',
      'The emulator has real machines behind it: it does not give the bytes of their disks.',
    );
  if (call.body['access'] !== 'Read')
    throw new ArmError(400, 'OperationNotAllowed', 'Only access to read is emulated.');
  if (stateOf(found) !== 'Succeeded' || (diskState !== 'Unattached' && diskState !== 'ActiveSAS'))
    throw new ArmError(
      409,
      'OperationNotAllowed',
      `Disk '${found.id}' is ${diskState}: access can't be granted.`,
    );
  const seconds = Number(call.body['durationInSeconds'] ?? 0);
  let accessSAS: string | undefined;
  return call.start(
    {
      collection: 'DiskOperations',
      location: textOf(found.resource, 'location') ?? '',
      async finish() {
        await contents.revoke(found.id);
        accessSAS = await contents.grant(found.id, Number(properties['diskSizeBytes']), seconds);
        setProperties(found, { diskState: 'ActiveSAS' });
      },
      failed: () => undefined,
      output: () => ({ accessSAS: accessSAS ?? '' }),
      result: () => ({ accessSAS: accessSAS ?? '' }),
    },
    { status: 202 },
  );
};

/** Takes it back. */
const endGetAccess: Handler = (call) => {
  const found = call.target();
  return call.start(
    {
      collection: 'DiskOperations',
      location: textOf(found.resource, 'location') ?? '',
      async finish() {
        await call.world.contents?.revoke(found.id);
        if (propertiesOf(found)['diskState'] === 'ActiveSAS')
          setProperties(found, { diskState: 'Unattached' });
      },
      failed: () => undefined,
    },
    { status: 202 },
  );
};

export const diskAccess = { beginGetAccess, endGetAccess } as const;
