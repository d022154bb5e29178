import { objectOf, textsOf } from '../../control-plane/json.ts';
import { listed, type Call, type Handler } from '../call.ts';
import { conflict, invalidParameter, resourceNotFound } from '../errors.ts';
import { parentId, parseArmId } from '../resource-id.ts';
import { setProperties, type Stored, type World } from '../state.ts';
import { chooseImage } from './images.ts';
import {
  applyModel,
  currentImage,
  giveDisk,
  instanceIdOf,
  instanceViewOf,
  locationOf,
  memberOf,
  membersOf,
  removeMember,
  settleMember,
  showMember,
} from './members.ts';
import { isRolling } from './rolling-upgrade.ts';

const get: Handler = (call) => {
  const member = call.target();
  const expand = call.parts.search.get('$expand') === 'instanceView';
  return { status: 200, body: showMember(call.world, setOf(call.world, member), member, expand) };
};

const list: Handler = (call) => {
  const set = call.world.resources.find(parentId(`${call.id}/x`));
  if (set === undefined) {
    const {
      type = '',
      names = [],
      resourceGroup = '',
    } = parseArmId(parentId(`${call.id}/x`)) ?? {};
    throw resourceNotFound(type, names, resourceGroup);
  }
  const expand = call.parts.search.get('$expand') === 'instanceView';
  return call.page(
    membersOf(call.world, set).map((member) => listed(showMember(call.world, set, member, expand))),
  );
};

const view: Handler = (call) => {
  const member = call.target();
  return { status: 200, body: instanceViewOf(call.world, setOf(call.world, member), member) };
};

/** What is done to a machine. */
type Deed = (world: World, set: Stored, member: Stored) => void;

/** Lets a machine be as the model says. */
const upgrade: Deed = (world, set, member) => {
  applyModel(world, set, member, currentImage(world, set));
  settleMember(member);
};

/** Gives a machine a new system disk, of what it boots from: the latest one, where it is of that. */
const reimage: Deed = (world, set, member) => {
  const { reference } = memberOf(member).image;
  giveDisk(world, set, member, chooseImage(world, reference, locationOf(set)));
  settleMember(member);
};

const power =
  (powerState: string): Deed =>
  (_, __, member) =>
    setProperties(member, { powerState, provisioningState: 'Succeeded' });

const leave: Deed = (world, set, member) => {
  removeMember(world, member);
  const sku = objectOf(set.resource, 'sku') ?? {};
  set.resource['sku'] = { ...sku, capacity: membersOf(world, set).length };
};

const deeds: Readonly<Record<string, Deed>> = {
  manualupgrade: upgrade,
  reimage,
  delete: leave,
  start: power('running'),
  restart: power('running'),
  poweroff: power('stopped'),
  deallocate: power('deallocated'),
};

/** Does something to the machines of a scale set that the body names, or to all. */
const actOnMany =
  (name: string): Handler =>
  (call) => {
    const set = call.target();
    const named = textsOf(call.body, 'instanceIds');
    const all = membersOf(call.world, set);
    const unknown = named.find(
      (id) => id !== '*' && !all.some((member) => instanceIdOf(member) === id),
    );
    if (unknown !== undefined)
      throw invalidParameter(
        'instanceIds',
        `The instanceId '${unknown}' is not an active Virtual Machine Scale Set VM instanceId.`,
      );
    const every = named.length === 0 || named.includes('*');
    const chosen = every ? all : all.filter((member) => named.includes(instanceIdOf(member)));
    return act(call, set, name, chosen);
  };

/** Does something to one machine. */
const actOnOne =
  (name: string): Handler =>
  (call) => {
    const member = call.target();
    return act(call, setOf(call.world, member), name, [member]);
  };

const remove: Handler = (call) => {
  const member = call.world.resources.find(call.id);
  if (member === undefined) return { status: 204 };
  return act(call, setOf(call.world, member), 'delete', [member]);
};

function act(call: Call, set: Stored, name: string, members: readonly Stored[]) {
  if (isRolling(set) && /^(?:manualupgrade|reimage)$/.test(name))
    throw conflict(`A rolling upgrade of the scale set '${set.id}' is in progress.`);
  const deed = deeds[name];
  // What can't be done is refused before anything is.
  if (name === 'manualupgrade') currentImage(call.world, set);
  const state = name === 'delete' ? 'Deleting' : 'Updating';
  for (const member of members) setProperties(member, { provisioningState: state });
  return call.start(
    {
      collection: 'operations',
      location: locationOf(set),
      finish() {
        for (const member of members) deed?.(call.world, set, member);
      },
      failed() {
        for (const member of members) setProperties(member, { provisioningState: 'Failed' });
      },
    },
    { status: 202 },
  );
}

function setOf(world: World, member: Stored): Stored {
  const set = world.resources.find(parentId(member.id));
  if (set === undefined) throw resourceNotFound('', [], '');
  return set;
}

export const memberCalls = { get, list, view, remove, actOnMany, actOnOne } as const;
