import { ImgkitError } from '@imgkit/core';

import type { Trust } from '../http/transport.ts';
import { toCloudConfig, type RackspaceOptions } from '../options.ts';
import {
  authConfig,
  cloudConfig,
  mergeConfig,
  type AuthConfig,
  type CloudConfig,
} from './cloud-config.ts';
import { nonEmpty, readCloudsFile, type Environment } from './clouds-file.ts';
import { Secret } from './secret.ts';
import { likelyName } from './spelling.ts';
import { readTrust } from './trust.ts';
import { vendorProfile } from './vendor-profiles.ts';

/** A domain, user or project, by id or by name. */
export interface Named {
  readonly id?: string | undefined;
  readonly name?: string | undefined;
}

/** A user, whose name means something only in a domain. */
export interface NamedInDomain extends Named {
  readonly domain: Named;
}

/** What proves who asks. */
export type Credentials =
  | { readonly kind: 'password'; readonly user: NamedInDomain; readonly password: Secret }
  | { readonly kind: 'api-key'; readonly user: NamedInDomain; readonly apiKey: Secret }
  | { readonly kind: 'token'; readonly token: Secret }
  | {
      readonly kind: 'application-credential';
      readonly credential: Named;
      readonly user: NamedInDomain | undefined;
      readonly secret: Secret;
    };

/** Which of a service's addresses is used. */
export type Interface = 'public' | 'internal' | 'admin';

/** How a service is found. */
export interface ServiceSettings {
  /** Its name in the catalogue, where its type alone isn't enough. */
  readonly name?: string | undefined;
  /** Its address, instead of the catalogue's. */
  readonly endpoint?: string | undefined;
}

/** One cloud, understood. */
export interface CloudSettings {
  readonly authUrl: string;
  /** The version of the identity service; asked for when it isn't said. */
  readonly identityVersion?: '2.0' | '3' | undefined;
  readonly credentials: Credentials;
  /** The project to work in; the credentials' own otherwise. */
  readonly project?: NamedInDomain | undefined;
  readonly region?: string | undefined;
  /** Whom to trust beside those that Node trusts. */
  readonly trust?: Trust | undefined;
  readonly interface: Interface;
  readonly image: ServiceSettings;
  readonly compute: ServiceSettings;
  readonly network?: ServiceSettings | undefined;
  readonly volume?: ServiceSettings | undefined;
  readonly objectStore?: ServiceSettings | undefined;
  /** Whether images come in, and go out, by tasks over the object store only. */
  readonly usesImageTasks?: boolean | undefined;
}

/** Where settings are looked for. */
export interface SettingsSources {
  readonly environment: Environment;
  /** The directory to look for `clouds.yaml` in first. */
  readonly directory: string;
}

/**
 * Finds the settings as every OpenStack tool does.
 *
 * @throws {@link ImgkitError} with `INVALID_ARGUMENT` if something is missing or can't be right, `NOT_FOUND` for a
 *   cloud or a file that isn't there.
 */
export async function cloudSettings(
  options: RackspaceOptions,
  sources: SettingsSources = { environment: process.env, directory: process.cwd() },
): Promise<CloudSettings> {
  const found = mergeConfig(await configured(options, sources), toCloudConfig(options));
  const profile = found.profile ?? found.cloud;
  if (profile === undefined) return understand(found);
  const vendor = vendorProfile(profile, found.region_name);
  if (vendor === undefined) {
    throw invalid(`the profile "${profile}" is not known`, 'Use rackspace or rackspace-flex.');
  }
  return understand(mergeConfig(vendor, found));
}

async function configured(
  options: RackspaceOptions,
  { environment, directory }: SettingsSources,
): Promise<CloudConfig> {
  const given = options.authUrl !== undefined || options.profile !== undefined;
  const name = options.cloud ?? (given ? undefined : nonEmpty(environment['OS_CLOUD']));
  if (name === undefined && (given || environment['OS_AUTH_URL'])) {
    return given ? {} : fromEnvironment(environment);
  }
  const { path, clouds } = await readCloudsFile({
    file: options.cloudsFile,
    environment,
    directory,
  });
  const names = Object.keys(clouds);
  const only = names.length === 1 ? names[0] : undefined;
  const cloud = Object.hasOwn(clouds, name ?? only ?? '') ? clouds[name ?? only ?? ''] : undefined;
  if (cloud !== undefined) return cloud;
  if (name === undefined) {
    throw invalid(
      'no cloud is configured',
      `Give authUrl or a profile, set OS_AUTH_URL and the other OS_ variables, or name a cloud of clouds.yaml.`,
    );
  }
  throw new ImgkitError(
    'NOT_FOUND',
    `there is no cloud "${name}" in ${path ?? 'any clouds.yaml'}`,
    {
      resource: name,
      hint: names.length === 0 ? 'Write a clouds.yaml.' : `There are ${names.join(', ')}.`,
    },
  );
}

/** `OS_AUTH_URL`, `OS_USERNAME` and so on. */
function fromEnvironment(environment: Environment): CloudConfig {
  const get = (name: string) => nonEmpty(environment[`OS_${name.toUpperCase()}`]);
  const auth: Record<string, string | undefined> = {};
  for (const key of Object.keys(authConfig.shape)) auth[key] = get(key);
  checkSpelling(environment);
  return {
    auth: authConfig.partial().parse(auth),
    auth_type: get('auth_type'),
    identity_api_version: get('identity_api_version'),
    region_name: get('region_name'),
    interface: get('interface') ?? get('endpoint_type'),
    cacert: get('cacert'),
    cert: get('cert'),
    key: get('key'),
    insecure: /^(?:1|true|yes)$/i.test(get('insecure') ?? ''),
    image_endpoint_override: get('image_endpoint_override'),
    compute_endpoint_override: get('compute_endpoint_override'),
    network_endpoint_override: get('network_endpoint_override'),
    volume_endpoint_override: get('volume_endpoint_override'),
  };
}

async function understand(config: CloudConfig): Promise<CloudSettings> {
  const { auth = {} } = config;
  if (auth.auth_url === undefined) {
    throw invalid('the address of the identity service is missing', 'Give authUrl.');
  }
  if (!/^https?:$/.test(URL.parse(auth.auth_url)?.protocol ?? '')) {
    throw invalid(`"${auth.auth_url}" is no address`, 'Write it as https://host/v3.');
  }
  return {
    trust: await readTrust(config),
    authUrl: auth.auth_url.replace(/\/+$/, ''),
    identityVersion: identityVersion(config.identity_api_version, auth.auth_url),
    credentials: credentials(config, auth),
    project: project(config, auth),
    region: config.region_name,
    interface: interfaceOf(config.interface ?? config.endpoint_type),
    image: { name: config.image_service_name, endpoint: config.image_endpoint_override },
    compute: { name: config.compute_service_name, endpoint: config.compute_endpoint_override },
    network: { endpoint: config.network_endpoint_override },
    volume: { endpoint: config.volume_endpoint_override },
    objectStore: {
      name: config.object_store_service_name,
      endpoint: config.object_store_endpoint_override,
    },
    usesImageTasks: config.image_api_use_tasks === true,
  };
}

/** A variable that is nearly one of those that count is a mistake. */
function checkSpelling(environment: Environment): void {
  const keys = [...Object.keys(authConfig.shape), ...Object.keys(cloudConfig.shape)];
  const known = keys.map((key) => `OS_${key.toUpperCase()}`);
  for (const name of Object.keys(environment)) {
    const meant = name.startsWith('OS_') ? likelyName(name, known) : undefined;
    if (meant !== undefined && !environment[meant])
      throw invalid(`the variable ${name} is not known`, `Is ${meant} meant?`);
  }
}

function identityVersion(given: string | undefined, authUrl: string): '2.0' | '3' | undefined {
  const said = given ?? /\/v([23])(?:\.\d+)?\/*$/.exec(authUrl)?.[1];
  if (said === undefined) return undefined;
  if (/^v?2(\.0)?$/.test(said)) return '2.0';
  if (/^v?3(\.\d+)?$/.test(said)) return '3';
  throw invalid(`"${said}" is no version of the identity service`, 'Use 3 or 2.0.');
}

function interfaceOf(given: string | undefined): Interface {
  const said = given?.replace(/URL$/, '') ?? 'public';
  if (said === 'public' || said === 'internal' || said === 'admin') return said;
  throw invalid(`"${given}" is no interface`, 'Use public, internal or admin.');
}

function credentials({ auth_type: type = '' }: CloudConfig, auth: AuthConfig): Credentials {
  const userDomain = domain(auth, auth.user_domain_id, auth.user_domain_name);
  const named = auth.user_id !== undefined || auth.username !== undefined;
  const user = { id: auth.user_id, name: auth.username, domain: userDomain };
  const { application_credential_secret: secret, password, api_key: apiKey, token } = auth;
  if (secret !== undefined && (type === '' || type.endsWith('applicationcredential'))) {
    const id = auth.application_credential_id;
    const name = auth.application_credential_name;
    if (id === undefined && (name === undefined || !named)) {
      throw invalid(
        'the application credential is not named',
        'Give its id, or its name together with the user it belongs to.',
      );
    }
    const owner = id === undefined ? user : undefined;
    const credential = { id, name };
    return { kind: 'application-credential', credential, user: owner, secret: new Secret(secret) };
  }
  if (token !== undefined && (type === '' || type.endsWith('token'))) {
    return { kind: 'token', token: new Secret(token) };
  }
  if (!['', 'password', 'v2password', 'v3password', 'rackspace_apikey'].includes(type)) {
    throw invalid(
      `what auth_type "${type}" needs is not given, or not supported`,
      'Use password, token, v3applicationcredential or rackspace_apikey.',
    );
  }
  if (!named) throw invalid('the user is missing', 'Give username or userId.');
  if (apiKey !== undefined) return { kind: 'api-key', user, apiKey: new Secret(apiKey) };
  if (password !== undefined) return { kind: 'password', user, password: new Secret(password) };
  throw invalid(
    'there is nothing to prove who asks',
    'Give a password, an apiKey, a token or an application credential.',
  );
}

function project(
  { auth_type: type = '' }: CloudConfig,
  auth: AuthConfig,
): NamedInDomain | undefined {
  const id = auth.project_id ?? auth.tenant_id;
  const name = auth.project_name ?? auth.tenant_name;
  // An application credential is for one project, and naming any is refused.
  const fixed = auth.application_credential_secret !== undefined || type.endsWith('credential');
  if (fixed || (id === undefined && name === undefined)) return undefined;
  return { id, name, domain: domain(auth, auth.project_domain_id, auth.project_domain_name) };
}

function domain(auth: AuthConfig, id: string | undefined, name: string | undefined): Named {
  if (id !== undefined || name !== undefined) return { id, name };
  if (auth.domain_id !== undefined || auth.domain_name !== undefined) {
    return { id: auth.domain_id, name: auth.domain_name };
  }
  return { id: auth.default_domain ?? 'default' };
}

function invalid(message: string, hint: string): ImgkitError {
  return new ImgkitError('INVALID_ARGUMENT', message, { hint });
}
