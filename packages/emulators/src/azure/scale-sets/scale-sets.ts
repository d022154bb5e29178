import { effectOf } from '../../control-plane/faults.ts';
import {
  objectOf,
  objectsOf,
  textOf,
  type Json,
  type JsonObject,
  type MutableJsonObject,
} from '../../control-plane/json.ts';
import { listed, merged, type Call, type Handler } from '../call.ts';
import { ArmError, conflict, invalidParameter } from '../errors.ts';
import { openOperation, type OperationFailure } from '../operations.ts';
import { isRegion } from '../regions.ts';
import { isOfType } from '../resource-id.ts';
import {
  newResource,
  propertiesOf,
  setProperties,
  stateOf,
  type Stored,
  type World,
} from '../state.ts';
import { chooseImage, isLatest, refuseOtherLayout } from './images.ts';
import {
  applyModel,
  currentImage,
  imageReferenceOf,
  instanceViewOf,
  locationOf,
  makeMember,
  memberOf,
  membersOf,
  modelOf,
  profileOf,
  recordOf,
  removeMember,
  reportsHealth,
  settleMember,
} from './members.ts';
import type { ChosenImage, UpgradeRecord } from './records.ts';
import { isRolling, outdated, startRollingUpgrade } from './rolling-upgrade.ts';
import { automaticPolicyOf, checkUpgradePolicy, modeOf } from './upgrade-policy.ts';

const get: Handler = (call) => ({ status: 200, body: call.target().resource });

const list: Handler = (call) => call.page(call.items().map(({ resource }) => listed(resource)));

const put: Handler = (call) => {
  call.parent();
  if (!/^[A-Za-z0-9](?:[\w-]{0,62}[A-Za-z0-9_])?$/.test(call.name))
    throw invalidParameter('vmScaleSetName', `'${call.name}' is no name of a scale set.`);
  const location = textOf(call.body, 'location') ?? '';
  if (!isRegion(location)) throw invalidParameter('location', `'${location}' is not available`);
  const properties = objectOf(call.body, 'properties') ?? {};
  const standing = call.world.resources.find(call.id);
  if (standing !== undefined && call.parts.onlyNew) throw precondition(standing);
  if (standing !== undefined) return change(call, standing, call.body, properties);

  checkUpgradePolicy(properties);
  const made = newResource(call.id, call.body, {
    singlePlacementGroup: true,
    overprovision: true,
    orchestrationMode: 'Uniform',
    ...properties,
    uniqueId: call.world.nextGuid(),
    timeCreated: call.now,
    provisioningState: 'Creating',
  });
  hideSecrets(made);
  const image = permittedImage(call, made);
  call.world.resources.add(made);
  const wanted = capacityOf(made);
  const fresh = Array.from({ length: wanted }, () => makeMember(call.world, made, image));
  return work(call, made, 201, () => {
    for (const member of fresh) settleMember(member);
  });
};

const patch: Handler = (call) => {
  const set = call.target();
  const changes = objectOf(call.body, 'properties') ?? {};
  const properties = merged(propertiesOf(set), changes);
  return change(call, set, call.body, isObject(properties) ? properties : {});
};

/** Changes a scale set: its model, how many machines it has, or both. */
function change(call: Call, set: Stored, body: JsonObject, properties: JsonObject) {
  const { tags } = body;
  const { ifMatch } = call.parts;
  const record = recordOf(set);
  if (ifMatch !== undefined && ifMatch !== set.resource['etag']) throw precondition(set);
  const sku = merged(set.resource['sku'], body['sku']);
  if (stateOf(set) === 'Creating' || stateOf(set) === 'Deleting')
    throw conflict(`Another operation is going on on '${set.id}', which is ${stateOf(set)}.`);
  const changed: Stored = {
    ...set,
    resource: {
      ...set.resource,
      properties: { ...propertiesOf(set), ...properties },
      ...(sku === undefined ? {} : { sku }),
    },
    scaleSet: { ...record },
  };
  hideSecrets(changed);
  checkUpgradePolicy(propertiesOf(changed));
  const isNewModel = modelOf(changed) !== modelOf(set);
  const grows = capacityOf(changed) > membersOf(call.world, set).length;
  if (isRolling(set) && (isNewModel || capacityOf(changed) !== capacityOf(set)))
    throw conflict(
      `A rolling upgrade of the scale set '${set.id}' is in progress. Wait for its end, or cancel it.`,
    );
  const image = isNewModel || grows ? permittedImage(call, changed) : undefined;
  const before = membersOf(call.world, set)[0];
  if (image !== undefined && before !== undefined)
    refuseOtherLayout(call.world, memberOf(before).image, image);

  if (tags !== undefined) set.resource['tags'] = tags;
  if (sku !== undefined) set.resource['sku'] = sku;
  set.resource['properties'] = propertiesOf(changed);
  record.secrets = changed.scaleSet?.secrets ?? '';
  const members = membersOf(call.world, set);
  const wanted = capacityOf(set);
  const leaving = members.slice(wanted);
  for (const member of leaving) setProperties(member, { provisioningState: 'Deleting' });
  const fresh =
    image === undefined
      ? []
      : Array.from({ length: Math.max(0, wanted - members.length) }, () =>
          makeMember(call.world, set, image),
        );
  const mode = modeOf(set);
  const upgrade = isNewModel && mode === 'Rolling' && image !== undefined ? image : undefined;
  const finish = (): void => {
    for (const member of leaving) removeMember(call.world, member);
    for (const member of fresh) settleMember(member);
    if (isNewModel && mode === 'Automatic' && image !== undefined)
      for (const member of outdated(call.world, set, image)) {
        applyModel(call.world, set, member, image);
        settleMember(member);
      }
  };
  return work(call, set, 200, finish, upgrade);
}

const remove: Handler = (call) => {
  const set = call.world.resources.find(call.id);
  if (set === undefined) return { status: 204 };
  setProperties(set, { provisioningState: 'Deleting' });
  return call.start(
    {
      collection: 'operations',
      location: locationOf(set),
      finish() {
        for (const member of membersOf(call.world, set)) removeMember(call.world, member);
        call.world.resources.remove(set);
      },
      failed: () => setProperties(set, { provisioningState: 'Failed' }),
    },
    { status: 202 },
  );
};

/** What is going on in a scale set, in numbers. */
const view: Handler = (call) => {
  const set = call.target();
  const states = membersOf(call.world, set)
    .flatMap((member) => objectsOf(instanceViewOf(call.world, set, member), 'statuses'))
    .flatMap((status) => textOf(status, 'code') ?? []);
  const statusesSummary = [...new Set(states)].map((code) => ({
    code,
    count: states.filter((other) => other === code).length,
  }));
  const code = `ProvisioningState/${stateOf(set).toLowerCase()}`;
  return {
    status: 200,
    body: { virtualMachine: { statusesSummary }, statuses: [{ code, level: 'Info' }] },
  };
};

/**
 * Does the work on a scale set, which a newer operation ends before its time, as at Azure. A rolling upgrade is part of
 * the operation that began it.
 */
function work(call: Call, set: Stored, status: number, finish: () => void, upgrade?: ChosenImage) {
  const { world } = call;
  const { rpc, effects, origin } = call.parts;
  const record = recordOf(set);
  record.current?.end({
    code: 'OperationPreempted',
    message: 'Operation execution has been preempted by a more recent operation.',
  });
  const operation = openOperation(world, origin, call.subscription, {
    id: set.id,
    location: locationOf(set),
    collection: 'operations',
    result: () => set.resource,
  });
  record.current = operation;
  set.resource['etag'] = `"${world.nextGuid()}"`;
  setProperties(set, { provisioningState: status === 201 ? 'Creating' : 'Updating' });
  const body = { ...set.resource };
  const end = (failure?: OperationFailure, cancelled = false): void => {
    if (record.current !== operation) return;
    record.current = undefined;
    setProperties(set, { provisioningState: failure === undefined ? 'Succeeded' : 'Failed' });
    operation.end(failure && { ...failure, status: cancelled ? 'Canceled' : 'Failed' });
  };
  const ordered = effectOf(effects, 'operation-error');
  world.clock.after(world.operationMs({ rpc, id: set.id }), () => {
    if (ordered !== undefined) {
      const { code, message = `The operation failed with ${code}.` } = ordered;
      return end({ code, message }, /^cancell?ed$/i.test(code));
    }
    finish();
    if (upgrade === undefined) return end();
    const ended: UpgradeRecord['ended'][number] = (error, cancelled) =>
      end(
        cancelled ? { code: 'Canceled', message: 'The rolling upgrade was cancelled.' } : error,
        cancelled,
      );
    startRollingUpgrade(world, set, { startedBy: 'User', target: upgrade, system: false, ended });
  });
  return { status, body, headers: operation.headers };
}

function precondition({ id }: Stored): ArmError {
  return new ArmError(
    412,
    'PreconditionFailed',
    `The resource '${id}' isn't as the request wants it: its etag is another one, or it stands already.`,
  );
}

/** Begins Azure's own upgrades, where a scale set wants them and there is a newer image. */
export function upgradeAutomatically(world: World): void {
  for (const set of world.resources.ofType('Microsoft.Compute/virtualMachineScaleSets')) {
    if (automaticPolicyOf(set)['enableAutomaticOSUpgrade'] !== true) continue;
    if (isRolling(set) || stateOf(set) !== 'Succeeded' || !reportsHealth(profileOf(set))) continue;
    if (!isLatest(imageReferenceOf(set))) continue;
    const target = latestOf(world, set);
    const failed = recordOf(set).upgrade;
    if (target === undefined) continue;
    // What has broken the policy once isn't tried again by Azure itself.
    if (failed?.code === 'Faulted' && failed.target.id === target.id) continue;
    if (outdated(world, set, target).length > 0)
      startRollingUpgrade(world, set, { startedBy: 'Platform', target, system: true });
  }
}

function latestOf(world: World, set: Stored): ChosenImage | undefined {
  try {
    return currentImage(world, set);
  } catch {
    return undefined; // there is no version that could be the latest
  }
}

/** The image of a model, when the caller may read it. */
function permittedImage(call: Call, set: Stored): ChosenImage {
  const image = chooseImage(call.world, imageReferenceOf(set), locationOf(set));
  if (isOfType(image.id, 'Microsoft.Compute/galleries/images/versions')) call.source(image.id);
  return image;
}

/** What Azure takes, and never gives back: it is kept beside. */
function hideSecrets(set: Stored): void {
  const properties = propertiesOf(set);
  const profile = objectOf(properties, 'virtualMachineProfile') ?? {};
  const osProfile = objectOf(profile, 'osProfile');
  if (osProfile === undefined) return;
  const { customData, adminPassword, ...shown } = osProfile;
  const record = recordOf(set);
  if (customData !== undefined || adminPassword !== undefined)
    record.secrets = JSON.stringify([customData, adminPassword]);
  set.resource['properties'] = {
    ...properties,
    virtualMachineProfile: { ...profile, osProfile: shown },
  };
}

function capacityOf({ resource }: Stored): number {
  return Number(objectOf(resource, 'sku')?.['capacity'] ?? 0);
}

function isObject(value: Json | undefined): value is MutableJsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export const scaleSets = { get, list, put, patch, remove, view } as const;
