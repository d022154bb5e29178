import { ifThere, type CreateFleetRequest, type Fleet, type OperationControl } from '@imgkit/core';

import { keyDigest } from '../api/request-id.ts';
import type { WireObject } from '../api/wire.ts';
import type { GceContext } from '../context.ts';
import { makeOnce } from '../resources/creation.ts';
import { readOptions } from '../resources/provider-options.ts';
import { checkName } from '../resources/names.ts';
import { formatId } from '../resources/resource-id.ts';
import { goesOn, rememberToken, type FleetChanges } from './fleet-changes.ts';
import { withKeyLabel, writeNote } from './fleet-note.ts';
import { fleetOptions } from './fleet-options.ts';
import { callInPlace, callOnGroup, groupCollection } from './fleet-place.ts';
import {
  checkFleetTemplate,
  makeTemplate,
  planTemplate,
  removeTemplates,
} from './fleet-templates.ts';
import { readGroup } from './fleet-view.ts';
import { firstVersions } from './group-state.ts';
import { checkCount } from './rollout.ts';

/** Makes a template and a group of it, waits until its machines RUN, and removes all of it when they don't. */
export async function createFleet(
  context: GceContext,
  changes: FleetChanges,
  request: CreateFleetRequest,
  control: OperationControl,
): Promise<Fleet> {
  const { name, size, template, labels = {}, idempotencyKey } = request;
  checkName('fleet', name);
  checkCount(size);
  checkFleetTemplate(template);
  const { region, zones, ...given } = readOptions(fleetOptions, request.providerOptions, 'fleets');
  const scope =
    region === undefined
      ? `zones/${given.zone ?? (await context.zone(control))}`
      : `regions/${region}`;
  const { project } = context;
  const id = formatId({ project, scope, collection: groupCollection, name });
  const key = idempotencyKey === undefined ? undefined : keyDigest(idempotencyKey);
  const description = writeNote({ labels, key });
  const planned = await planTemplate(context, id, labels, template, control);
  const isNew = await makeTemplate(context, planned);
  const group = {
    name,
    description,
    baseInstanceName: name.slice(0, 54).replace(/-+$/, ''),
    targetSize: size,
    versions: firstVersions(planned.id),
    updatePolicy: { type: 'PROACTIVE', minimalAction: 'REPLACE' },
    distributionPolicy: zones && {
      zones: zones.map((zone) => ({ zone: `projects/${project}/zones/${zone}` })),
    },
  };
  const { service, request: place } = callInPlace({ project, scope });
  const accepted = rememberToken(control);
  try {
    const mutation = {
      service,
      method: 'insert',
      request: { ...place, instanceGroupManagerResource: group },
      target: id,
    };
    const find = async (): Promise<WireObject> => withKeyLabel(await readGroup(context, id));
    const what = 'making the group';
    await makeOnce(
      context,
      { call: 'fleets.create', what, mutation, id, key: idempotencyKey, find },
      accepted,
    );
  } catch (error) {
    if (isNew && !goesOn(error)) await removeTemplates(context, [planned.id]);
    throw error;
  }
  try {
    return await changes.finish('fleets.create', id, accepted);
  } catch (error) {
    if (!goesOn(error)) await clear(context, changes, id);
    throw error;
  }
}

/** Removes a fleet that couldn't be made; that it can't be removed is told, and keeps nobody from the reason. */
async function clear(context: GceContext, changes: FleetChanges, id: string): Promise<void> {
  const { logger } = context;
  try {
    await removeGroup(context, id);
    await changes.removeLeftTemplates(id);
  } catch (error) {
    logger.warn('a fleet that could not be made is left behind', { id, error });
  }
}

async function removeGroup({ client }: GceContext, id: string): Promise<void> {
  const mutation = { ...callOnGroup(id), method: 'delete', target: id };
  const started = await ifThere(() => client.start(mutation));
  if (started !== undefined) await client.wait(started);
}
