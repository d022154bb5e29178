import { objectOf, textOf } from '../../control-plane/json.ts';
import { listed, type Call, type Handler } from '../call.ts';
import { ArmError, invalidParameter } from '../errors.ts';
import { makeImage } from '../galleries/real-images.ts';
import { putSimple, removeEmpty } from '../quick-changes.ts';
import { idKey } from '../resource-id.ts';
import { propertiesOf, type Stored, type World } from '../state.ts';

const get: Handler = (call) => ({ status: 200, body: call.target().resource });

const listInGroup: Handler = (call) =>
  call.page(call.items().map(({ resource }) => listed(resource)));

const put: Handler = (call) => {
  call.parent();
  const properties = objectOf(call.body, 'properties') ?? {};
  const machine = textOf(objectOf(properties, 'sourceVirtualMachine'), 'id');
  if (machine !== undefined) return ofMachine(call, machine);
  const storage = objectOf(properties, 'storageProfile');
  const osDisk = objectOf(storage, 'osDisk');
  const snapshot = textOf(objectOf(osDisk, 'snapshot'), 'id');
  const managedDisk = textOf(objectOf(osDisk, 'managedDisk'), 'id');
  const id = snapshot ?? managedDisk;
  if (id === undefined)
    throw invalidParameter('storageProfile.osDisk', 'A snapshot or a managed disk is required.');
  const diskSizeGB = osDisk?.['diskSizeGB'] ?? propertiesOf(call.source(id))['diskSizeGB'] ?? 1;
  return putSimple(
    call,
    { storageProfile: { ...storage, osDisk: { ...osDisk, diskSizeGB } } },
    (made) => makeImage(call.world, made),
  );
};

/** Made of a machine that was generalized. */
function ofMachine(call: Call, id: string): ReturnType<Handler> {
  const found = call.source(id);
  const properties = propertiesOf(found);
  if (found.machine?.generalized !== true)
    throw new ArmError(
      409,
      'OperationNotAllowed',
      `The source virtual machine '${id}' is not generalized.`,
    );
  const security = textOf(objectOf(properties, 'securityProfile'), 'securityType');
  if (security === 'TrustedLaunch')
    throw new ArmError(
      400,
      'BadRequest',
      'Managed Images are not supported for virtual machines with security type TrustedLaunch.',
    );
  const osDisk = objectOf(objectOf(properties, 'storageProfile'), 'osDisk') ?? {};
  const { osType = 'Linux', diskSizeGB = 1, managedDisk } = osDisk;
  const disk = { osType, osState: 'Generalized', diskSizeGB, managedDisk };
  return putSimple(
    call,
    { sourceVirtualMachine: { id: found.id }, storageProfile: { osDisk: disk } },
    (made) => makeImage(call.world, made),
  );
}

const removeImage = async (world: World, { id }: Stored): Promise<void> =>
  world.hardware?.deleteImage(idKey(id));

export const managedImages = {
  get,
  listInGroup,
  put,
  remove: removeEmpty('none', removeImage),
} as const;
