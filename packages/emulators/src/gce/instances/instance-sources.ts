import { objectsOf, textOf, type JsonObject } from '../../control-plane/json.ts';
import type { Call } from '../call.ts';
import type { SavedDisk } from '../disks/new-disk.ts';
import { badRequest, resourceNotReady } from '../errors.ts';
import { selfLink } from '../links.ts';
import type { Warning } from '../operations.ts';
import { instanceTemplateType, machineImageType } from '../resources.ts';
import { withOverrides } from './overrides.ts';
import { objectOf } from '../../control-plane/json.ts';

/** What a new instance shall be, all told. */
export interface InstanceSource {
  readonly body: JsonObject;
  /** The disks of the machine image, when it is made of one and doesn't name others. */
  readonly saved?: readonly SavedDisk[] | undefined;
  readonly warnings: readonly Warning[];
}

/** The body of the request, with what the template or the machine image has that it names. */
export function instanceSource(call: Call): InstanceSource {
  const { body } = call;
  const template = call.query('sourceInstanceTemplate');
  const image = call.query('sourceMachineImage') ?? textOf(body, 'sourceMachineImage');
  if (template !== undefined && image !== undefined) {
    throw badRequest('Only one of sourceInstanceTemplate and sourceMachineImage can be given.');
  }
  if (template !== undefined) return fromTemplate(call, template);
  return image === undefined ? { body, warnings: [] } : fromMachineImage(call, image);
}

function fromTemplate(call: Call, text: string): InstanceSource {
  const permission = 'compute.instanceTemplates.useReadOnly';
  const field = 'sourceInstanceTemplate';
  const template = call.referred(field, text, instanceTemplateType, permission, 'global');
  const properties = objectOf(template.resource, 'properties') ?? {};
  return { body: inZone(call, withOverrides(call.body, properties)), warnings: [] };
}

function fromMachineImage(call: Call, text: string): InstanceSource {
  const permission = 'compute.machineImages.useReadOnly';
  const image = call.referred('sourceMachineImage', text, machineImageType, permission, 'global');
  if (image.resource['status'] !== 'READY') throw resourceNotReady(image.link);
  const properties = objectOf(image.resource, 'instanceProperties') ?? {};
  const replaced = objectsOf(call.body, 'disks').length > 0;
  const body = inZone(call, withOverrides(call.body, properties));
  return {
    body: { ...body, sourceMachineImage: selfLink(image.link) },
    saved: replaced ? undefined : image.saved,
    warnings: [],
  };
}

/** Templates and machine images name machine types without their zone. */
function inZone({ location }: Call, body: JsonObject): JsonObject {
  const type = textOf(body, 'machineType');
  if (type === undefined || type.includes('/')) return body;
  return { ...body, machineType: `${location}/machineTypes/${type}` };
}
