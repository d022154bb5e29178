import {
  ImgkitError,
  type Fleet,
  type MachineTemplate,
  type OperationControl,
  type RolloutRequest,
} from '@imgkit/core';

import { isWireObject, object, text, type WireObject } from '../api/wire.ts';
import { tokenOf, type AzureContext } from '../context.ts';
import { invalid, readOptions } from '../images/image-request.ts';
import { ownOf } from '../mapping.ts';
import { sizeName } from '../machines/sizes.ts';
import { AzurePublishing } from '../publishing.ts';
import { formatId, parseIdOf, sameId } from '../resources/resource-id.ts';
import { toNote } from './bounded-rollout.ts';
import { cancelUpgrade, isUpgrading } from './cancellation.ts';
import { changeSet, finishChange } from './fleet-changes.ts';
import { toRollingPolicy, toUpgradePolicy } from './fleet-creation.ts';
import { findImage, imageIdOf, isLatest, type FleetImage } from './fleet-image.ts';
import { beforeOf, modelOf, rolloutOf, withOwn, writeBefore, writeRollout } from './fleet-note.ts';
import { rolloutOptions, type AzureRolloutOptions } from './fleet-options.ts';
import { isUpgradedByAzure, locateSet, readMembers, targetOf } from './fleet-view.ts';
import {
  checkFleetTemplate,
  guestDigest,
  refuseOtherMachines,
  toGuest,
} from './machine-profile.ts';
import { isOf, rolloutGoesOn, sameBounds, sizeOf, upgradeGoesOn } from './standing-rollout.ts';

/** Rolls a template out: by a PATCH of what is new in it, and by what that doesn't begin. */
export async function startRollout(
  context: AzureContext,
  request: RolloutRequest,
  set: WireObject,
  control: OperationControl,
): Promise<Fleet> {
  const { fleet: id, template } = request;
  const target = formatId(locateSet(id));
  const options: AzureRolloutOptions = readOptions(
    rolloutOptions,
    request.providerOptions ?? {},
    'rollouts',
  );
  const standing = rolloutOf(set);
  const note = toNote(request, sizeOf(set));
  const mode = options.mode ?? modeOf(set);
  if (mode !== 'manual' && request.canary !== undefined && request.canary < note.size)
    throw new ImgkitError('UNSUPPORTED', 'Azure’s own upgrades go to the whole fleet', {
      resource: id,
      hint: 'A canary is for providerOptions: { mode: "manual" }.',
    });
  const machine = checkFleetTemplate(template);
  refuseOtherMachines(set, template, machine);
  const model = modelOf(set);
  const boot = options.boot ?? (isLatest(model.reference) ? 'latest' : 'version');
  const { boot: source } = template;
  if (source.kind !== 'image') throw invalid('a fleet boots from an image', 'Give one.');
  const image = await findImage(context, source.image, boot, control);
  const exact = boot === 'latest' ? await latestOf(context, source.image.id, control) : undefined;
  const told = isTold(set, template);
  const { architecture, generation } = image;
  const need = { architecture, generation, ephemeralDisk: false };
  const size =
    template.machineType === undefined
      ? model.size
      : await sizeName(context, template.machineType, need, control);
  const isOther = isOtherModel(context, model.reference, image.reference) || size !== model.size;
  const isSame = !isOther && !told && exact === standing?.exact;
  const begun = tokenOf('fleets.rollOut', null, target);
  if (standing !== undefined) {
    // What a process has begun that is no more, or whose answer got lost, is gone on with.
    if (isSame && sameBounds(standing, note)) return finishChange(context, begun, control);
    throw rolloutGoesOn(id);
  }
  if (isUpgradedByAzure(set) && (await isUpgrading(context, target, control))) {
    if (isSame) return finishChange(context, begun, control);
    throw upgradeGoesOn(id);
  }
  const members = await readMembers(context, target, control);
  const before = told
    ? undefined
    : writeBefore(context, targetOf(context, set, members), model.size);
  const rollout =
    mode === 'manual'
      ? writeRollout({
          ...note,
          ...(exact === undefined ? {} : { exact }),
          ...(told ? { told } : {}),
        })
      : undefined;
  const own = {
    rollout,
    // What comes before an image that is there already stays what it was.
    before: isOther || exact !== undefined ? before : ownOf(set).before,
    ...(told ? { guest: guestDigest(template) } : {}),
  };
  const tags = withOwn(set, own, template.metadata);
  const changes = {
    tags,
    ...(size === model.size ? {} : { sku: { ...skuOf(set), name: size } }),
    ...toPolicy(options),
    virtualMachineProfile: {
      storageProfile: { imageReference: image.reference },
      ...(told ? guestChanges(text(set, 'name') ?? '', template, image) : {}),
    },
  };
  if (mode === 'manual' || isOther || told)
    return changeSet(context, 'fleets.rollOut', target, changes, control);
  // The model is as it was, and what it stands for isn't: only that begins no upgrade.
  const patched = await context.client.patch(target, changes, control);
  const token = tokenOf('fleets.rollOut', patched ?? null, target);
  const settled = await finishChange(context, token, control);
  const machines = await readMembers(context, target, control);
  if (machines.every((one) => isOf(context, one, image.reference, exact))) return settled;
  const action = mode === 'rolling' ? 'osRollingUpgrade' : 'reimage';
  const started = await context.client
    .act(target, action, mode === 'rolling' ? undefined : { instanceIds: ['*'] }, control)
    .catch((error: unknown) => {
      // An answer that got lost: it goes on already.
      if (!ImgkitError.is(error, 'FAILED_PRECONDITION')) throw error;
      return { operation: undefined };
    });
  return finishChange(context, { ...token, operation: started.operation ?? null }, control);
}

/** Goes back to what the machines were of before the last rollout. */
export async function startRollback(
  context: AzureContext,
  id: string,
  set: WireObject,
  control: OperationControl,
): Promise<Fleet> {
  const target = formatId(locateSet(id));
  const before = beforeOf(context, set);
  if (before === undefined)
    throw new ImgkitError('FAILED_PRECONDITION', `fleet "${id}" has nothing to go back to`, {
      resource: id,
      hint: 'Either nothing was rolled out yet, or the last rollout changed what machines are told at their first boot, which Azure doesn’t give back: roll the template before out.',
    });
  if (isUpgradedByAzure(set) && (await isUpgrading(context, target, control)))
    await cancelUpgrade(context, target, control);
  const model = modelOf(set);
  const members = await readMembers(context, target, control);
  const size = before.size ?? model.size;
  const rollout = modeOf(set) === 'manual' ? writeRollout(toNote({}, sizeOf(set))) : undefined;
  const changes = {
    tags: withOwn(set, {
      rollout,
      before: writeBefore(context, targetOf(context, set, members), model.size),
    }),
    ...(size === model.size ? {} : { sku: { ...skuOf(set), name: size } }),
    virtualMachineProfile: { storageProfile: { imageReference: before.reference } },
  };
  return changeSet(context, 'fleets.rollBack', target, changes, control);
}

/** Who upgrades the machines of a scale set. */
function modeOf(set: WireObject): 'manual' | 'rolling' | 'automatic' {
  const mode = text(object(set, 'upgradePolicy'), 'mode');
  return mode === 'Rolling' ? 'rolling' : mode === 'Automatic' ? 'automatic' : 'manual';
}

function toPolicy({ mode, rolling }: AzureRolloutOptions): WireObject {
  if (mode === undefined && rolling === undefined) return {};
  const policy = mode === undefined ? {} : toUpgradePolicy({ mode });
  return {
    upgradePolicy: {
      ...policy,
      ...(rolling === undefined ? {} : { rollingUpgradePolicy: toRollingPolicy(rolling) }),
    },
  };
}

/** Whether machines are to be told something else at their first boot than the model has. */
function isTold(set: WireObject, template: MachineTemplate): boolean {
  const known = ownOf(set).guest;
  const wanted = guestDigest(template);
  return known === undefined ? wanted !== guestDigest({}) : known !== wanted;
}

function guestChanges(name: string, template: MachineTemplate, image: FleetImage): WireObject {
  const { osProfile, userData } = toGuest(name, template, image);
  if (!isWireObject(osProfile)) return { userData: userData ?? '' };
  // Users never change at Azure.
  const { customData = '', linuxConfiguration } = osProfile;
  return { osProfile: { customData, linuxConfiguration } };
}

function isOtherModel(context: AzureContext, one: WireObject, other: WireObject): boolean {
  return !sameId(imageIdOf(context, one), imageIdOf(context, other));
}

/**
 * The version that machines of the latest will be of.
 *
 * @throws {@link ImgkitError} with `FAILED_PRECONDITION` if it isn't the one that is rolled out.
 */
async function latestOf(
  context: AzureContext,
  id: string,
  control: OperationControl,
): Promise<string | undefined> {
  const found = parseIdOf('Microsoft.Compute/galleries/images/versions', id);
  if (found === undefined) return undefined;
  const [gallery = '', family = '', version] = found.names;
  const isOwn = gallery.toLowerCase() === context.settings.gallery.toLowerCase();
  if (!isOwn) return version;
  const head = await new AzurePublishing(context).head(family, {}, control);
  if (head !== undefined && sameId(head.ref.id, id)) return version;
  throw new ImgkitError(
    'FAILED_PRECONDITION',
    `the machines boot from the latest version, and that is ${head?.ref.id ?? 'none'}`,
    {
      resource: id,
      hint: 'Publish the image first, or pin the machines: providerOptions: { boot: "version" }.',
    },
  );
}

function skuOf(set: WireObject): WireObject {
  const sku = object(set, 'sku');
  const { name, tier, capacity } = sku ?? {};
  return { name, capacity, ...(tier === undefined ? {} : { tier }) };
}
