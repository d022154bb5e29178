import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';

import { gce } from './plugin.ts';
import { settings } from './settings.ts';

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

async function directory(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'imgkit-gce-settings-'));
  ends.push(() => rm(path, { recursive: true, force: true }));
  return path;
}

/** A machine that nothing is set up on. */
async function bare() {
  return { HOME: await directory(), METADATA_SERVER_DETECTION: 'none' };
}

async function withGcloud(lines: string): Promise<string> {
  const config = await directory();
  await mkdir(join(config, 'configurations'));
  await writeFile(join(config, 'active_config'), 'work\n');
  await writeFile(join(config, 'configurations', 'config_work'), lines);
  return config;
}

describe('the project', () => {
  it('is found in the usual places, in their order', async () => {
    const file = join(await directory(), 'key.json');
    await writeFile(file, JSON.stringify({ type: 'service_account', project_id: 'of-key' }));
    const config = await withGcloud('[core]\nproject = of-gcloud\n[compute]\nzone = us-east1-b\n');
    const places = {
      GOOGLE_CLOUD_PROJECT: 'one',
      CLOUDSDK_CORE_PROJECT: 'two',
      GCLOUD_PROJECT: 'three',
      GOOGLE_APPLICATION_CREDENTIALS: file,
      CLOUDSDK_CONFIG: config,
    };
    let environment: Record<string, string> = { ...(await bare()), ...places };
    expect((await settings({ project: 'given' }, environment)).project).toBe('given');
    const found: string[] = [];
    for (const place of Object.keys(places)) {
      found.push((await settings({}, environment)).project);
      environment = Object.fromEntries(
        Object.entries(environment).filter(([key]) => key !== place),
      );
    }
    expect(found).toEqual(['one', 'two', 'three', 'of-key', 'of-gcloud']);
  });

  it('of a key file that is named goes before that of gcloud', async () => {
    const path = join(await directory(), 'key.json');
    await writeFile(path, JSON.stringify({ type: 'service_account', project_id: 'of-key' }));
    const CLOUDSDK_CONFIG = await withGcloud('[core]\nproject = of-gcloud\n');
    const found = await settings(
      { credentials: { kind: 'file', path } },
      { ...(await bare()), CLOUDSDK_CONFIG },
    );
    expect(found.project).toBe('of-key');
  });

  it('is asked of the machine last', async () => {
    const server = createServer((request, response) => {
      response.setHeader('metadata-flavor', 'Google');
      response.end(request.url?.endsWith('zone') ? 'projects/1/zones/asia-east1-a' : 'of-machine');
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    ends.push(async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    });
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const found = await settings(
      {},
      { HOME: await directory(), GCE_METADATA_HOST: `127.0.0.1:${port}` },
    );
    expect(found.project).toBe('of-machine');
    expect(await found.zone()).toBe('asia-east1-a');
    expect(await found.region()).toBe('asia-east1');
  });

  it('that nobody says is refused, with what was tried', async () => {
    await expect(settings({}, await bare())).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      hint: expect.stringMatching(
        /GOOGLE_CLOUD_PROJECT.*CLOUDSDK_CORE_PROJECT.*GCLOUD_PROJECT.*GOOGLE_APPLICATION_CREDENTIALS.*config_default.*metadata/,
      ),
    });
  });
});

describe('zone and region', () => {
  it('are found in the usual places', async () => {
    const environment = { ...(await bare()), CLOUDSDK_COMPUTE_ZONE: 'europe-west1-b' };
    const found = await settings({ project: 'acme' }, environment);
    expect(await found.zone()).toBe('europe-west1-b');
    expect(await found.region()).toBe('europe-west1');
    const given = await settings(
      { project: 'acme', zone: 'us-west1-a', region: 'us-east1' },
      environment,
    );
    expect(await given.zone()).toBe('us-west1-a');
    expect(await given.region()).toBe('us-east1');
  });

  it('that nobody says are refused once they are needed', async () => {
    const found = await settings({ project: 'acme' }, await bare());
    await expect(found.zone()).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      hint: expect.stringContaining('CLOUDSDK_COMPUTE_ZONE'),
    });
  });
});

describe('credentials', () => {
  it('are looked for at Google’s own server, and none elsewhere over plain HTTP', async () => {
    const environment = await bare();
    const at = async (endpoint?: string) =>
      (await settings({ project: 'acme', endpoint }, environment)).credentials.kind;
    expect(await at()).toBe('default');
    expect(await at('https://compute.example.com')).toBe('default');
    expect(await at('http://127.0.0.1:17001')).toBe('none');
  });

  it('are told where they were looked for', async () => {
    const environment = { ...(await bare()), GOOGLE_APPLICATION_CREDENTIALS: '/no/such/key.json' };
    const { tried } = await settings({ project: 'acme' }, environment);
    expect(tried).toEqual([
      '$GOOGLE_APPLICATION_CREDENTIALS (/no/such/key.json, not there)',
      expect.stringMatching(/application_default_credentials\.json \(not there\)$/),
      'the metadata server of this machine',
    ]);
  });
});

describe('options', () => {
  it.for([
    { project: 'Not A Project' },
    { zone: 'us-central1/a' },
    { endpoint: '127.0.0.1:17001' },
    { credentials: { kind: 'magic' } },
    { credentials: { kind: 'impersonate', serviceAccount: 'nobody' } },
    { projekt: 'acme' },
  ])('%j is refused', (options) => {
    const given: object = options;
    expect(() => Reflect.apply(gce, undefined, [given])).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
    );
  });
});
