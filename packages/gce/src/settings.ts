import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';

import { ImgkitError, type CallOptions } from '@imgkit/core';

import type { GceCredentials, GceOptions } from './options.ts';

/** {@link GceOptions} with every default filled in that this machine knows. */
export interface GceSettings {
  readonly project: string;
  readonly credentials: GceCredentials;
  readonly endpoint: URL | undefined;
  readonly storageEndpoint: URL | undefined;
  readonly bucket: string | undefined;
  readonly universeDomain: string | undefined;
  readonly shareBy: 'image' | 'project';
  readonly address: 'external' | 'internal';
  /** Where Google's library looks for credentials, and what is there. */
  readonly tried: readonly string[];
  /** Gives the zone; asks the machine's metadata server when nobody said one. */
  readonly zone: (options?: CallOptions) => Promise<string>;
  /** Gives the region; the zone's when nobody said one. */
  readonly region: (options?: CallOptions) => Promise<string>;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Where one setting may come from, in the order in which it is looked for. */
type Candidates = readonly (readonly [from: string, value: string | undefined])[];

/**
 * Fills in the defaults.
 *
 * @throws ImgkitError with `INVALID_ARGUMENT` if nobody says which project, with what was tried.
 */
export async function settings(
  options: GceOptions,
  environment: Environment = process.env,
): Promise<GceSettings> {
  const endpoint = toUrl(options.endpoint);
  const local = endpoint?.protocol === 'http:';
  const credentials = options.credentials ?? { kind: local ? 'none' : 'default' };
  const gcloud = await readGcloud(environment);
  const metadata = (path: string, call?: CallOptions) => askMetadata(path, environment, call);
  const keyFile =
    credentials.kind === 'file' ? credentials.path : environment['GOOGLE_APPLICATION_CREDENTIALS'];

  const projects: Candidates = [
    ['option project', options.project],
    ['$GOOGLE_CLOUD_PROJECT', environment['GOOGLE_CLOUD_PROJECT']],
    ['$CLOUDSDK_CORE_PROJECT', environment['CLOUDSDK_CORE_PROJECT']],
    ['$GCLOUD_PROJECT', environment['GCLOUD_PROJECT']],
    [keyFile ?? '$GOOGLE_APPLICATION_CREDENTIALS', await projectOf(keyFile)],
    [gcloud.path, gcloud.values['core/project']],
  ];
  const zones: Candidates = [
    ['option zone', options.zone],
    ['$CLOUDSDK_COMPUTE_ZONE', environment['CLOUDSDK_COMPUTE_ZONE']],
    [gcloud.path, gcloud.values['compute/zone']],
  ];
  const regions: Candidates = [
    ['option region', options.region],
    ['$CLOUDSDK_COMPUTE_REGION', environment['CLOUDSDK_COMPUTE_REGION']],
    [gcloud.path, gcloud.values['compute/region']],
  ];
  const zone = async (call?: CallOptions): Promise<string> =>
    first(zones) ??
    (local ? undefined : (await metadata('instance/zone', call))?.split('/').at(-1)) ??
    missing('zone', zones, 'zone: "us-central1-a"');
  const project =
    first(projects) ??
    (local ? undefined : await metadata('project/project-id')) ??
    missing('project', projects, 'project: "acme-images"');
  return {
    project,
    credentials,
    endpoint,
    storageEndpoint: toUrl(options.storageEndpoint),
    bucket: options.bucket,
    universeDomain: options.universeDomain ?? given(environment['GOOGLE_CLOUD_UNIVERSE_DOMAIN']),
    shareBy: options.shareBy ?? 'image',
    address: options.address ?? 'external',
    tried: await triedCredentials(environment),
    zone,
    region: async (call) => first(regions) ?? (await zone(call)).replace(/-[^-]*$/, ''),
  };
}

function first(candidates: Candidates): string | undefined {
  return candidates.map(([, value]) => given(value)).find((value) => value !== undefined);
}

function missing(what: string, candidates: Candidates, example: string): never {
  const tried = [...candidates.map(([from]) => from), 'the metadata server of this machine'];
  throw new ImgkitError(
    'INVALID_ARGUMENT',
    `nobody says which ${what} of Google Cloud to work in`,
    {
      operation: 'gce',
      hint: `Say it: gce({ ${example} }). It was looked for in: ${[...new Set(tried)].join(', ')}.`,
      data: { tried },
    },
  );
}

/** What gcloud's active configuration says, by `section/key`. */
async function readGcloud(
  environment: Environment,
): Promise<{ readonly path: string; readonly values: Readonly<Record<string, string>> }> {
  const directory = gcloudDirectory(environment);
  const name =
    given(environment['CLOUDSDK_ACTIVE_CONFIG_NAME']) ??
    given((await readText(join(directory, 'active_config')))?.trim()) ??
    'default';
  const path = join(directory, 'configurations', `config_${name}`);
  const values: Record<string, string> = {};
  let section = '';
  for (const line of ((await readText(path)) ?? '').split('\n')) {
    const [, header] = /^\s*\[([^\]]+)\]/.exec(line) ?? [];
    const [, key, value] = /^\s*([\w-]+)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
    if (header !== undefined) section = header;
    else if (key !== undefined && value !== undefined) values[`${section}/${key}`] = value;
  }
  return { path, values };
}

function gcloudDirectory(environment: Environment): string {
  return (
    given(environment['CLOUDSDK_CONFIG']) ??
    join(given(environment['HOME']) ?? homedir(), '.config', 'gcloud')
  );
}

/** Where Google's library looks for default credentials, with what is there. */
async function triedCredentials(environment: Environment): Promise<readonly string[]> {
  const file = given(environment['GOOGLE_APPLICATION_CREDENTIALS']);
  const known = join(gcloudDirectory(environment), 'application_default_credentials.json');
  return [
    `$GOOGLE_APPLICATION_CREDENTIALS (${file === undefined ? 'not set' : `${file}, ${await state(file)}`})`,
    `${known} (${await state(known)})`,
    'the metadata server of this machine',
  ];
}

async function state(path: string): Promise<string> {
  return (await readText(path)) === undefined ? 'not there' : 'there';
}

/** The project that a key file belongs to. */
async function projectOf(path: string | undefined): Promise<string | undefined> {
  const content = path === undefined || path === '' ? undefined : await readText(path);
  if (content === undefined) return undefined;
  const [, project] = /"project_id"\s*:\s*"([^"]+)"/.exec(content) ?? [];
  return project;
}

/** Asks the metadata server; nothing if this machine has none. https://cloud.google.com/compute/docs/metadata/overview */
async function askMetadata(
  path: string,
  environment: Environment,
  options: CallOptions = {},
): Promise<string | undefined> {
  if (environment['METADATA_SERVER_DETECTION'] === 'none') return undefined;
  const host = given(environment['GCE_METADATA_HOST']) ?? 'metadata.google.internal';
  const quick = AbortSignal.timeout(2_000);
  const signal = options.signal === undefined ? quick : AbortSignal.any([quick, options.signal]);
  try {
    const url = `http://${host}/computeMetadata/v1/${path}`;
    const answer = await fetch(url, { headers: { 'Metadata-Flavor': 'Google' }, signal });
    return answer.ok && answer.headers.get('metadata-flavor') === 'Google'
      ? given((await answer.text()).trim())
      : undefined;
  } catch {
    return undefined; // no such server: this machine isn't Google's
  }
}

async function readText(path: string): Promise<string | undefined> {
  return readFile(path, 'utf8').catch(() => undefined);
}

function given(value: string | undefined): string | undefined {
  return value === '' ? undefined : value;
}

function toUrl(text: string | undefined): URL | undefined {
  return text === undefined ? undefined : new URL(text);
}
