import { objectOf, textOf } from '../../control-plane/json.ts';
import { listed, type Handler } from '../call.ts';
import { invalidParameter } from '../errors.ts';
import { putSimple, removeEmpty } from '../quick-changes.ts';
import { propertiesOf } from '../state.ts';

const get: Handler = (call) => ({ status: 200, body: call.target().resource });

const listInGroup: Handler = (call) =>
  call.page(call.items().map(({ resource }) => listed(resource)));

const put: Handler = (call) => {
  call.parent();
  const properties = objectOf(call.body, 'properties') ?? {};
  const storage = objectOf(properties, 'storageProfile');
  const osDisk = objectOf(storage, 'osDisk');
  const snapshot = textOf(objectOf(osDisk, 'snapshot'), 'id');
  const managedDisk = textOf(objectOf(osDisk, 'managedDisk'), 'id');
  const id = snapshot ?? managedDisk;
  if (id === undefined)
    throw invalidParameter('storageProfile.osDisk', 'A snapshot or a managed disk is required.');
  const diskSizeGB = osDisk?.['diskSizeGB'] ?? propertiesOf(call.source(id))['diskSizeGB'] ?? 1;
  return putSimple(call, { storageProfile: { ...storage, osDisk: { ...osDisk, diskSizeGB } } });
};

export const managedImages = { get, listInGroup, put, remove: removeEmpty('none') } as const;
