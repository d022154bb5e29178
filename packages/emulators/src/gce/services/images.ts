import {
  objectOf,
  textMapOf,
  textOf,
  textsOf,
  type JsonObject,
  type MutableJsonObject,
} from '../../control-plane/json.ts';
import type { Call, Service } from '../call.ts';
import { readDeprecation } from '../deprecation.ts';
import { shownKeys } from '../encryption-keys.ts';
import { ApiError, forbidden, invalid, notFound, resourceNotReady } from '../errors.ts';
import { readImageSource } from '../image-sources.ts';
import { makeImage } from '../image-making.ts';
import { familyHead } from '../image-use.ts';
import { multiRegions } from '../locations.ts';
import { listAnswer } from '../paging.ts';
import { reserve } from '../quotas.ts';
import { imageQuota, imageType } from '../resources.ts';
import { newResource, type Stored } from '../state.ts';
import { checkLabels, checkName } from '../values.ts';
import { putLabels, setLabelsHandler } from './labels.ts';
import { policyHandlers } from './policies.ts';

const keyFields = [
  'imageEncryptionKey',
  'sourceDiskEncryptionKey',
  'sourceImageEncryptionKey',
  'sourceSnapshotEncryptionKey',
];

function insert(call: Call): JsonObject {
  const { world, project, body } = call;
  call.permit('compute.images.create', project);
  const name = checkName('resource.name', textOf(body, 'name'));
  const family = textOf(body, 'family');
  if (family !== undefined) checkName('resource.family', family);
  const labels = textMapOf(body, 'labels');
  checkLabels('resource.labels', labels);
  checkStorageLocations(call);
  const origin = readImageSource(call);
  const asked = textOf(body, 'diskSizeGb');
  if (asked !== undefined && Number(asked) < (origin.sizeGb ?? 1)) {
    throw invalid(
      'resource.diskSizeGb',
      asked,
      `Requested disk size cannot be smaller than the source's (${origin.sizeGb ?? 1} GB).`,
    );
  }
  reserve(imageQuota, project, 1);

  const sizeGb = Number(asked ?? origin.sizeGb ?? 0);
  const image = imageType.add(newResource(world, imageType, project, 'global', name));
  Object.assign(image.resource, {
    description: body['description'],
    family,
    sourceType: 'RAW',
    status: 'PENDING',
    diskSizeGb: String(sizeGb),
    storageLocations: textsOf(body, 'storageLocations').length ? body['storageLocations'] : ['us'],
    architecture: body['architecture'],
    guestOsFeatures: body['guestOsFeatures'],
    licenses: body['licenses'],
    licenseCodes: body['licenseCodes'],
    shieldedInstanceInitialState: body['shieldedInstanceInitialState'],
    ...origin.fields,
    ...shownKeys(body, keyFields),
  });
  putLabels(image.resource, labels);

  return call.start({
    type: 'insert',
    location: 'global',
    target: image,
    warnings: origin.warnings,
    async finish() {
      await makeImage(world, image, origin);
      image.resource['status'] = 'READY';
    },
    failed() {
      image.resource['status'] = 'FAILED';
    },
  });
}

function checkStorageLocations({ world, body }: Call): void {
  const asked = textsOf(body, 'storageLocations');
  const known = new Set([...multiRegions, ...Object.keys(world.regions)]);
  const wrong = asked.find((each) => !known.has(each));
  if (wrong !== undefined) {
    throw invalid('resource.storageLocations', wrong, 'Must be a region or a multi-region.');
  }
  if (asked.length > 1) {
    throw invalid('resource.storageLocations', asked.join(), 'Only one location is supported.');
  }
}

/** Two changes of one image don't run at once, and none while it is being made. */
function settled(image: Stored): Stored {
  const status = image.resource['status'];
  if (status !== 'READY' && status !== 'FAILED') throw resourceNotReady(image.link);
  return image;
}

function remove(call: Call): JsonObject {
  const image = settled(call.target(imageType, 'compute.images.delete'));
  const before = image.resource['status'];
  image.resource['status'] = 'DELETING';
  return call.start({
    type: 'delete',
    location: 'global',
    target: image,
    async finish() {
      await call.world.hardware?.deleteImage(image.link);
      imageType.remove(image);
    },
    failed() {
      image.resource['status'] = before;
    },
  });
}

function deprecate(call: Call): JsonObject {
  const image = settled(call.target(imageType, 'compute.images.deprecate'));
  const deprecation = readDeprecation(call, 'resource', call.body);
  return call.start({
    type: 'deprecate',
    location: 'global',
    target: image,
    finish() {
      image.resource['deprecated'] = deprecation;
    },
  });
}

/** What `patch` changes; Google's clients send empty labels with every patch. */
const patchable = new Set(['family', 'description', 'deprecated']);

function patch(call: Call): JsonObject {
  const { body } = call;
  const image = settled(call.target(imageType, 'compute.images.update'));
  const other = Object.keys(body).find(
    (key) =>
      !patchable.has(key) &&
      !(key === 'labels' && Object.keys(textMapOf(body, 'labels')).length === 0) &&
      JSON.stringify(body[key]) !== JSON.stringify(image.resource[key]),
  );
  if (other !== undefined) {
    throw new ApiError(
      400,
      'invalid',
      `Invalid value for field 'resource.${other}': only ${[...patchable].join(', ')} of an image can be patched.`,
    );
  }
  const family = textOf(body, 'family');
  if (family !== undefined) checkName('resource.family', family);
  const changes: MutableJsonObject = {};
  if ('family' in body) changes['family'] = family;
  if ('description' in body) changes['description'] = textOf(body, 'description');
  const block = objectOf(body, 'deprecated');
  if ('deprecated' in body) {
    const whole = { ...objectOf(image.resource, 'deprecated'), ...block };
    changes['deprecated'] = block && readDeprecation(call, 'resource.deprecated', whole);
  }
  return call.start({
    type: 'patch',
    location: 'global',
    target: image,
    finish: () => void Object.assign(image.resource, changes),
  });
}

/** The head of the family in the path, when the caller may see it. */
function head(call: Call, family: string, zone?: string): JsonObject {
  const permission = 'compute.images.getFromFamily';
  const link = `projects/${call.project.id}/global/images/family/${family}`;
  const image = familyHead(call.project, family, zone);
  if (image) call.permit(permission, image);
  else if (!call.permitted(permission, call.project)) throw forbidden(permission, link);
  if (!image) throw notFound(link);
  return image.resource;
}

export const images: Service = {
  ...policyHandlers(imageType),
  Delete: remove,
  Deprecate: deprecate,
  Get: (call) => call.target(imageType, 'compute.images.get').resource,
  GetFromFamily: (call) => head(call, call.param('family')),
  Insert: insert,
  List(call) {
    call.permit('compute.images.list', call.project);
    return listAnswer(call, imageType);
  },
  Patch: patch,
  SetLabels: setLabelsHandler(imageType),
};

/** The image as a region sees it: not before one of its zones has it. */
function regionalView(call: Call): JsonObject {
  const name = call.param('resourceId');
  const permission = 'compute.images.get';
  const image = imageType.find(call.project, 'global', name);
  call.permit(permission, image ?? call.project);
  const rollout = call.project.rollouts.get(name);
  const zones = call.world.regions[call.param('region')] ?? [];
  if (!image || (rollout && !zones.some((zone) => rollout.has(zone)))) {
    throw notFound(imageType.link(call.project.id, 'global', name));
  }
  return { image: image.resource };
}

export const imageViews: Service = { Get: regionalView };

export const imageFamilyViews: Service = {
  Get: (call) => ({ image: head(call, call.param('family'), call.param('zone')) }),
};
