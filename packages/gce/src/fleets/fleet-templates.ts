import { createHash } from 'node:crypto';

import {
  ifThere,
  ImgkitError,
  type CallOptions,
  type Labels,
  type MachineTemplate,
} from '@imgkit/core';

import { keyDigest } from '../api/request-id.ts';
import { object, objects, text, type WireObject } from '../api/wire.ts';
import type { GceContext } from '../context.ts';
import { makeOnce } from '../resources/creation.ts';
import { toGceLabels } from '../resources/labels.ts';
import { readMachineOptions } from '../mapping/machine-options.ts';
import { toMachine } from '../mapping/machine-template.ts';
import { formatId, parseIdOf, regionOf, sameId, shortId } from '../resources/resource-id.ts';
import { usableImage } from '../resources/sources.ts';
import { readNote, withKeyLabel, writeNote, type FleetNote } from './fleet-note.ts';
import { locateGroup } from './fleet-place.ts';

/** A template that is to be made. Its name is a digest of its content, so that the same content is the same template. */
export interface TemplatePlan {
  readonly id: string;
  readonly resource: WireObject;
}

/** What of the fleet's name goes into the template's: the digest follows. */
const longestNameStart = 50;

/** @throws {@link ImgkitError} with `INVALID_ARGUMENT` for what machines of a group can't be made of. */
export function checkFleetTemplate({ boot, disks = [] }: MachineTemplate): void {
  if (boot.kind !== 'image') {
    throw new ImgkitError('INVALID_ARGUMENT', `a fleet can't boot from a ${boot.kind}`, {
      hint: 'Let its machines boot from an image.',
    });
  }
  if (disks.some((disk) => 'disk' in disk)) {
    throw new ImgkitError('INVALID_ARGUMENT', 'the machines of a fleet can’t share a disk', {
      hint: 'Give the size of a disk: each machine gets one of its own.',
    });
  }
}

/**
 * Plans the template of a fleet, after a look at the image.
 *
 * @throws {@link ImgkitError} with `INVALID_ARGUMENT`; `NOT_FOUND`, `IMAGE_OBSOLETE` or `IMAGE_DELETED` for the image.
 */
export async function planTemplate(
  context: GceContext,
  fleet: string,
  labels: Labels,
  template: MachineTemplate,
  options: CallOptions,
): Promise<TemplatePlan> {
  checkFleetTemplate(template);
  const { project, scope, name } = locateGroup(fleet);
  const machine = (launch: string, architecture?: 'x86_64' | 'arm64'): WireObject =>
    toMachine(template, {
      project,
      scope: `regions/${regionOf(scope)}`,
      labels: toGceLabels({ ...labels, ...template.labels }),
      options: readMachineOptions(template.providerOptions),
      architecture,
      launch,
    });
  machine(''); // refuses bad wishes before anything is asked
  const { boot } = template;
  const image = boot.kind === 'image' ? await usableImage(context, boot.image, options) : undefined;
  const properties = machine(digestOf(machine('', image?.architecture)), image?.architecture);
  const templateName = `${name.slice(0, longestNameStart)}-${digestOf({ fleet, properties }).slice(0, 12)}`;
  const id = formatId({
    project,
    scope: 'global',
    collection: 'instanceTemplates',
    name: templateName,
  });
  const description = writeNote({ labels, fleet, key: keyDigest(id) });
  return { id, resource: { name: templateName, description, properties } };
}

/** Makes the template, unless it stands already. Says whether it is a new one. */
export async function makeTemplate(
  context: GceContext,
  { id, resource }: TemplatePlan,
): Promise<boolean> {
  const find = (): Promise<WireObject> => readTemplate(context, id, {});
  if ((await ifThere(find)) !== undefined) return false;
  await makeOnce(
    context,
    {
      call: 'fleets.makeTemplate',
      what: 'making the template of the machines',
      mutation: {
        service: 'instanceTemplates',
        method: 'insert',
        request: { project: projectOf(id), instanceTemplateResource: resource },
        target: id,
      },
      id,
      key: id,
      find: async () => withKeyLabel(await find()),
    },
    // It takes a second, and a token of it would say nothing of the fleet: the caller can give up before and after it.
    {
      signal: new AbortController().signal,
      progress: () => undefined,
      accepted: () => undefined,
    },
  );
  return true;
}

/** Reads a template, global or regional, by its id or URL. */
export async function readTemplate(
  { client }: GceContext,
  url: string,
  options: CallOptions,
): Promise<WireObject> {
  const { service, request } = callOnTemplate(url);
  return client.read({ service, method: 'get', request }, options);
}

/** The id of the image that the machines of a template boot from, as the template names it. */
export function imageOf(template: WireObject): string | undefined {
  const disks = objects(object(template, 'properties'), 'disks');
  const boot = disks.find((disk) => disk['boot'] === true) ?? disks[0];
  const image = text(object(boot, 'initializeParams'), 'sourceImage');
  return image === undefined ? undefined : shortId(image);
}

/** A template that imgkit made. */
export interface OwnTemplate {
  readonly id: string;
  readonly createdAt: string;
  readonly note: FleetNote;
}

/** The templates that imgkit made in the provider's project, for one fleet or for all. */
export async function* ownTemplates(
  { client, project }: GceContext,
  fleet: string | undefined,
  options: CallOptions,
): AsyncGenerator<OwnTemplate> {
  const start =
    fleet === undefined ? undefined : locateGroup(fleet).name.slice(0, longestNameStart);
  // What it gives is looked at again below: a name says nothing of whose it is.
  const filter = start === undefined ? undefined : `name eq "${start}-.*"`;
  const call = {
    service: 'instanceTemplates',
    method: 'list',
    request: { project, filter },
  } as const;
  for await (const { items } of client.pages(call, options)) {
    for (const template of items) {
      const note = readNote(template);
      if (note?.fleet === undefined) continue;
      if (fleet !== undefined && !sameId(note.fleet, fleet)) continue;
      const name = text(template, 'name') ?? '';
      const id = formatId({ project, scope: 'global', collection: 'instanceTemplates', name });
      yield { id, createdAt: text(template, 'creationTimestamp') ?? '', note };
    }
  }
}

/** Removes templates; those that a group still uses stay. */
export async function removeTemplates(
  { client, logger }: GceContext,
  ids: readonly string[],
): Promise<void> {
  for (const id of ids) {
    try {
      const { service, request } = callOnTemplate(id);
      await client.wait(await client.start({ service, method: 'delete', request, target: id }));
    } catch (error) {
      if (ImgkitError.is(error, 'NOT_FOUND')) continue;
      if (!ImgkitError.is(error, 'IN_USE')) throw error;
      logger.info('a template stays, as something uses it', { template: id });
    }
  }
}

function callOnTemplate(url: string) {
  const { project, scope, name } = locateTemplate(url);
  const region = regionOf(scope);
  return region === undefined
    ? ({ service: 'instanceTemplates', request: { project, instanceTemplate: name } } as const)
    : ({
        service: 'regionInstanceTemplates',
        request: { project, region, instanceTemplate: name },
      } as const);
}

function projectOf(id: string): string {
  return locateTemplate(id).project;
}

function locateTemplate(url: string) {
  const found = parseIdOf('instanceTemplates', url);
  if (found !== undefined) return found;
  throw new ImgkitError('PROTOCOL', `"${url}" is not the URL of an instance template`);
}

function digestOf(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex');
}
