import {
  objectOf,
  objectsOf,
  textMapOf,
  textOf,
  type Json,
  type JsonObject,
} from '../../control-plane/json.ts';
import type { Call, Service } from '../call.ts';
import { invalid, required, resourceInUse } from '../errors.ts';
import { groupsUsing } from '../groups/group-record.ts';
import { useImage } from '../image-use.ts';
import { findMachineType } from '../instances/machine-types.ts';
import { metadataProblem } from '../instances/metadata.ts';
import { shownMetadata } from '../instances/new-instance.ts';
import { readScheduling } from '../instances/scheduling.ts';
import { selfLink } from '../links.ts';
import type { Warning } from '../operations.ts';
import { aggregatedAnswer, listAnswer } from '../paging.ts';
import { defineMetric, reserve } from '../quotas.ts';
import { instanceTemplateType } from '../resources.ts';
import { newResource } from '../state.ts';
import { checkLabels, checkName } from '../values.ts';
import { policyHandlers } from './policies.ts';

const templateQuota = defineMetric({
  name: 'INSTANCE_TEMPLATES',
  scope: 'project',
  limit: 2000,
  used: (project) => instanceTemplateType.all(project).length,
});

function insert(call: Call): JsonObject {
  const { world, project, location, body } = call;
  call.permit('compute.instanceTemplates.create', project);
  const name = checkName('resource.name', textOf(body, 'name'));
  const given = objectOf(body, 'properties');
  if (!given) throw required('resource.properties');
  const { properties, warnings } = readProperties(call, given);
  reserve(templateQuota, project, 1);
  const template = newResource(world, instanceTemplateType, project, location, name);
  Object.assign(template.resource, { description: body['description'], properties });
  instanceTemplateType.add(template);
  return call.start({
    type: 'insert',
    location,
    target: template,
    warnings,
    failed: () => instanceTemplateType.remove(template),
  });
}

/** Checks what a template holds, as far as it can be told before there is an instance. */
function readProperties(
  call: Call,
  given: JsonObject,
): { readonly properties: JsonObject; readonly warnings: readonly Warning[] } {
  const field = 'resource.properties';
  const type = textOf(given, 'machineType');
  if (type === undefined) throw required(`${field}.machineType`);
  if (type.includes('/') || !findMachineType(type)) {
    throw invalid(`${field}.machineType`, type, 'It must be the name of a machine type.');
  }
  checkLabels(`${field}.labels`, textMapOf(given, 'labels'));
  const problem = metadataProblem(objectOf(given, 'metadata'));
  if (problem !== undefined) throw invalid(`${field}.metadata`, '', problem);
  readScheduling(objectOf(given, 'scheduling'), call.world.clock.now());
  const disks = objectsOf(given, 'disks');
  if (disks[0]?.['boot'] !== true) {
    throw invalid(`${field}.disks`, '', 'The first disk must be the boot disk.');
  }
  const warnings: Warning[] = [];
  const shown = disks.map((disk, index): Json => {
    const params = objectOf(disk, 'initializeParams');
    const image = textOf(params, 'sourceImage');
    if (image === undefined) return disk;
    const here = `${field}.disks[${index}].initializeParams.sourceImage`;
    warnings.push(...useImage(call, here, image).warnings);
    const { project, name, family } = call.refer(here, image, 'images', 'global');
    const link = `projects/${project}/global/images/${family ? 'family/' : ''}${name}`;
    const sourceImage = selfLink(link);
    return Object.assign({}, disk, {
      initializeParams: Object.assign({}, params, { sourceImage }),
    });
  });
  const metadata = shownMetadata(objectOf(given, 'metadata'));
  return { properties: { ...given, disks: shown, metadata }, warnings };
}

function remove(call: Call): JsonObject {
  const template = call.target(instanceTemplateType, 'compute.instanceTemplates.delete');
  const [group] = groupsUsing(template);
  if (group) throw resourceInUse('instance_template', template.link, group.link);
  return call.start({
    type: 'delete',
    location: template.location,
    target: template,
    finish: () => instanceTemplateType.remove(template),
  });
}

const templates: Service = {
  Insert: insert,
  Get: (call) => call.target(instanceTemplateType, 'compute.instanceTemplates.get').resource,
  List(call) {
    call.permit('compute.instanceTemplates.list', call.project);
    return listAnswer(call, instanceTemplateType);
  },
  Delete: remove,
};

/** Templates are immutable: there is no method to change one. */
export const instanceTemplates: Service = {
  ...templates,
  AggregatedList(call) {
    call.permit('compute.instanceTemplates.list', call.project);
    const regions = Object.keys(call.world.regions).map((region) => `regions/${region}`);
    return aggregatedAnswer(call, instanceTemplateType, ['global', ...regions]);
  },
  ...policyHandlers(instanceTemplateType),
};

export const regionInstanceTemplates: Service = templates;
