import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';

import { describe, expect, it, onTestFinished } from 'vitest';

import type { RackspaceOptions } from '../options.ts';
import { cloudSettings } from './cloud-settings.ts';

/** A directory with these files. */
async function directoryWith(files: Readonly<Record<string, string>>): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'imgkit-clouds-'));
  onTestFinished(() => rm(directory, { recursive: true }));
  for (const [path, text] of Object.entries(files)) {
    await mkdir(join(directory, path, '..'), { recursive: true });
    await writeFile(join(directory, path), text);
  }
  return directory;
}

const nowhere = '/nonexistent';
const find = (
  options: RackspaceOptions,
  environment: Record<string, string> = {},
  directory = nowhere,
) => cloudSettings(options, { environment: { HOME: nowhere, ...environment }, directory });

const cloudsYaml = `
clouds:
  lab:
    auth:
      auth_url: https://keystone.lab.test/v3
      username: images
      project_name: images
      user_domain_name: Users
      project_domain_name: Projects
    region_name: RegionOne
    interface: internal
    identity_api_version: 3
  flex:
    profile: rackspace-flex
    region_name: dfw3
    auth: { username: acme, api_key: key-1, project_id: 8f0c2f6a1f5e4d4b9d5a7f7d0b1c2d3e }
  classic:
    profile: rackspace
    region_name: DFW
    auth: { username: acme, api_key: key-1, tenant_id: 123456 }
`;
const secureYaml = `
clouds:
  lab: { auth: { password: hidden-1 } }
`;

const password = { authUrl: 'https://k.test/v3', username: 'u', password: 'hidden-1' };

describe('the settings of a cloud', () => {
  it('are those of clouds.yaml, with what secure.yaml adds', async () => {
    const directory = await directoryWith({ 'clouds.yaml': cloudsYaml, 'secure.yaml': secureYaml });
    const found = await find({ cloud: 'lab' }, {}, directory);
    expect(found).toMatchObject({
      authUrl: 'https://keystone.lab.test/v3',
      identityVersion: '3',
      region: 'RegionOne',
      interface: 'internal',
      project: { name: 'images', domain: { name: 'Projects' } },
      credentials: { kind: 'password', user: { name: 'images', domain: { name: 'Users' } } },
    });
    const { credentials } = found;
    expect(credentials.kind === 'password' && credentials.password.reveal()).toBe('hidden-1');
  });

  it('are found in every usual place, and in the file that is named', async () => {
    const home = await directoryWith({ '.config/openstack/clouds.yaml': cloudsYaml });
    const other = await directoryWith({ 'mine.yaml': cloudsYaml });
    const region = async (options: RackspaceOptions, environment: Record<string, string>) =>
      (await find({ password: 'p', ...options }, environment)).region;
    expect(await region({}, { HOME: home, OS_CLOUD: 'lab' })).toBe('RegionOne');
    const file = join(other, 'mine.yaml');
    expect(await region({ cloud: 'lab' }, { OS_CLIENT_CONFIG_FILE: file })).toBe('RegionOne');
    expect(await region({ cloud: 'lab', cloudsFile: file }, {})).toBe('RegionOne');
    await expect(find({ cloud: 'lab', cloudsFile: '/no/such.yaml' })).rejects.toMatchObject({
      code: 'NOT_FOUND',
      message: 'there is no file /no/such.yaml',
    });
  });

  it('are those of the OS_ variables, when no cloud is named', async () => {
    const environment = {
      OS_AUTH_URL: 'https://k.test:5000',
      OS_APPLICATION_CREDENTIAL_ID: 'id-1',
      OS_APPLICATION_CREDENTIAL_SECRET: 'hidden-1',
      OS_PROJECT_NAME: 'ignored',
      OS_REGION_NAME: 'R1',
      OS_INTERFACE: 'internalURL',
    };
    expect(await find({}, environment)).toMatchObject({
      identityVersion: undefined,
      credentials: { kind: 'application-credential', credential: { id: 'id-1' } },
      // It is for one project, and naming any is refused by Keystone.
      project: undefined,
      region: 'R1',
      interface: 'internal',
    });
  });

  it('leave the variables out when the options say which cloud it is, and put options over all', async () => {
    const environment = { OS_AUTH_URL: 'https://other.test/v3', OS_REGION_NAME: 'R1' };
    const found = await find({ ...password, region: 'R2' }, environment);
    expect(found).toMatchObject({ authUrl: 'https://k.test/v3', region: 'R2' });
    const over = await find(
      { region: 'R2', token: 'hidden-1' },
      { ...environment, OS_AUTH_TYPE: 'v3token' },
    );
    expect(over).toMatchObject({ authUrl: 'https://other.test/v3', region: 'R2' });
    expect(over.credentials.kind).toBe('token');
  });

  it('know Rackspace’s clouds by their profile', async () => {
    const directory = await directoryWith({ 'clouds.yaml': cloudsYaml });
    expect(await find({ cloud: 'flex' }, {}, directory)).toMatchObject({
      authUrl: 'https://keystone.api.dfw3.rackspacecloud.com/v3',
      credentials: { kind: 'api-key', user: { domain: { name: 'rackspace_cloud_domain' } } },
    });
    expect(await find({ cloud: 'classic' }, {}, directory)).toMatchObject({
      authUrl: 'https://identity.api.rackspacecloud.com/v2.0',
      identityVersion: '2.0',
      compute: { name: 'cloudServersOpenStack' },
      image: { name: 'cloudImages' },
      objectStore: { name: 'cloudFiles' },
      usesImageTasks: true,
      project: { id: '123456' },
    });
    await expect(find({ profile: 'acme', username: 'u' })).rejects.toMatchObject({
      hint: 'Use rackspace or rackspace-flex.',
    });
  });

  it.each([
    [{}, 'no cloud is configured'],
    [{ authUrl: 'https://k.test/v3' }, 'the user is missing'],
    [{ authUrl: 'https://k.test/v3', username: 'u' }, 'there is nothing to prove who asks'],
    [
      { authUrl: 'https://k.test/v3', applicationCredentialSecret: 's' },
      'the application credential is not named',
    ],
  ])('say what is missing in %o', async (options, message) => {
    await expect(find(options)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', message });
  });

  it('name the clouds that there are', async () => {
    const directory = await directoryWith({ 'clouds.yaml': cloudsYaml });
    await expect(find({ cloud: 'lap' }, {}, directory)).rejects.toMatchObject({
      code: 'NOT_FOUND',
      hint: 'There are lab, flex, classic.',
    });
  });

  it.each([
    ['regoin_name: RegionOne', /clouds\.lab\.regoin_name is not known: is region_name meant/],
    ['interface: sideways', /"sideways" is no interface/],
    ['identity_api_version: 7', /"7" is no version/],
    ['auth_type: v3kerberos', /auth_type "v3kerberos"/],
  ])('refuse %s', async (line, pattern) => {
    const text = `clouds: { lab: { ${line}, auth: { auth_url: 'https://k.test/v3', username: u, password: hidden-1 } } }`;
    const directory = await directoryWith({ 'clouds.yaml': text });
    const error: unknown = await find({ cloud: 'lab' }, {}, directory).catch((one) => one);
    expect(error).toMatchObject({ code: 'INVALID_ARGUMENT' });
    expect(inspect(error)).toMatch(pattern);
  });

  it.each([
    ['usrname: u', /clouds\.lab\.auth\.usrname is not known: is username meant/],
    ['system_scope: all', /clouds\.lab\.auth\.system_scope is not known: known are auth_url/],
  ])('refuse to sign in with %s', async (line, pattern) => {
    const text = `clouds: { lab: { networks: [], auth: { ${line}, password: hidden-1 } } }`;
    const directory = await directoryWith({ 'clouds.yaml': text });
    const error: unknown = await find({ cloud: 'lab' }, {}, directory).catch((one) => one);
    expect(error).toMatchObject({ code: 'INVALID_ARGUMENT' });
    expect(inspect(error)).toMatch(pattern);
    expect(inspect(error)).not.toContain('hidden-1');
  });

  it('refuse a variable that is nearly one of those that count', async () => {
    const variables = { OS_AUTH_URL: 'https://k.test/v3', OS_PASSWORD: 'hidden-1' };
    await expect(find({}, { ...variables, OS_USER_NAME: 'u' })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      hint: 'Is OS_USERNAME meant?',
    });
    const other = { OS_USERNAME: 'u', OS_VOLUME_API_VERSION: '3' };
    await expect(find({}, { ...variables, ...other })).resolves.toBeDefined();
  });

  it('trust the authorities of a file, and nobody unless they are told to', async () => {
    const pem = '-----BEGIN CERTIFICATE-----';
    const directory = await directoryWith({ 'ca.pem': pem, 'no.pem': 'hello' });
    const caFile = join(directory, 'ca.pem');
    expect(await find({ ...password, caFile })).toMatchObject({
      trust: { authorities: pem, blind: false },
    });
    expect((await find(password)).trust).toBeUndefined();
    const variables = { OS_AUTH_URL: 'https://k.test', OS_USERNAME: 'u', OS_PASSWORD: 'p' };
    expect(await find({}, { ...variables, OS_INSECURE: 'true' })).toMatchObject({
      trust: { blind: true },
    });
    for (const [name, code] of [
      ['no.pem', 'INVALID_ARGUMENT'],
      ['gone.pem', 'NOT_FOUND'],
    ] as const) {
      const variable = { ...variables, OS_CACERT: join(directory, name) };
      await expect(find({}, variable)).rejects.toMatchObject({ code });
    }
  });

  it('show no secret, neither in themselves nor in an error about their file', async () => {
    const found = await find({ ...password, apiKey: 'hidden-2' });
    const shown = `${inspect(found, { depth: 9, showHidden: true })} ${JSON.stringify(found)}`;
    expect(shown).not.toMatch(/hidden/);
    const directory = await directoryWith({ 'clouds.yaml': 'clouds: { a: [hidden-1\n' });
    const error: unknown = await find({ cloud: 'a' }, {}, directory).catch((one) => one);
    expect(error).toMatchObject({ code: 'INVALID_ARGUMENT' });
    expect(inspect(error, { depth: 9 })).not.toMatch(/hidden/);
  });
});
