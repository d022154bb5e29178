import { spawnSync } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';

const source = pathToFileURL(join(import.meta.dirname, '..', 'src', 'index.ts')).href;

async function directory(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'imgkit-gce-credentials-'));
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  return path;
}

/** Runs a program in a process of its own, on a machine that nothing is set up on. */
async function run(program: string, environment: NodeJS.ProcessEnv = {}) {
  const home = await directory();
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['--conditions=@imgkit/source', '--input-type=module', '--eval', program],
    {
      cwd: import.meta.dirname,
      encoding: 'utf8',
      env: {
        PATH: process.env['PATH'],
        HOME: home,
        METADATA_SERVER_DETECTION: 'none',
        ...environment,
      },
    },
  );
  return { status, stdout, stderr };
}

/** Calls twice, and prints how each ended. */
const twoCalls = (options: object): string => `
  import { createImgkit } from '@imgkit/core';
  import { gce } from ${JSON.stringify(source)};
  await using kit = await createImgkit({
    stateDirectory: process.env.HOME + '/state',
    providers: [gce(${JSON.stringify({ project: 'acme', ...options })})],
  });
  for (let call = 1; call <= 2; call += 1) {
    await kit.providers.get('gce').check().catch(({ code, message, hint, provider, data }) => {
      console.log(JSON.stringify({ code, message, hint, provider, data }));
    });
  }
  await new Promise((resolve) => setTimeout(resolve, 50)); // an unhandled rejection would end it before
  console.log('alive');
`;

function read(stdout: string): readonly Record<string, unknown>[] {
  return stdout
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line): Record<string, unknown> => JSON.parse(line));
}

describe('without credentials', { timeout: 120_000 }, () => {
  it('each call is refused, and says what was tried, and the process goes on', async () => {
    const { status, stdout, stderr } = await run(twoCalls({}));
    expect(stderr).toBe('');
    expect(status).toBe(0);
    expect(stdout).toContain('alive');
    const errors = read(stdout);
    expect(errors).toHaveLength(2);
    for (const error of errors) {
      expect(error).toMatchObject({ code: 'UNAUTHENTICATED', provider: 'gce' });
      expect(error['message']).toMatch(
        /GOOGLE_APPLICATION_CREDENTIALS \(not set\).*application_default_credentials\.json \(not there\).*metadata server/,
      );
      expect(error['hint']).toContain('gcloud auth application-default login');
    }
  });

  it.for([
    ['UNAUTHENTICATED', undefined],
    ['INVALID_ARGUMENT', 'SECRET-not-json'],
    ['INVALID_ARGUMENT', '{"type":"service_account","private_key":"SECRET"}'],
  ] as const)('a key file that isn’t one is %s', async ([code, content]) => {
    const path = join(await directory(), 'key.json');
    if (content !== undefined) await writeFile(path, content);
    const { status, stdout, stderr } = await run(twoCalls({ credentials: { kind: 'file', path } }));
    expect(stderr).toBe('');
    expect(status).toBe(0);
    for (const error of read(stdout)) expect(error).toMatchObject({ code });
    expect(read(stdout)).toHaveLength(2);
    expect(stdout).toContain(path);
    expect(stdout).not.toContain('SECRET');
  });

  it('a broken default file is refused the same way', async () => {
    const path = join(await directory(), 'key.json');
    await writeFile(path, '{"type":"service_account"');
    const { status, stdout } = await run(twoCalls({}), { GOOGLE_APPLICATION_CREDENTIALS: path });
    expect(status).toBe(0);
    for (const error of read(stdout)) expect(error).toMatchObject({ code: 'UNAUTHENTICATED' });
    expect(read(stdout)).toHaveLength(2);
    expect(stdout).toContain(`${path}, there`);
  });
});

/** The modules that a process has loaded at its end, by V8's own account. */
async function loaded(program: string): Promise<readonly string[]> {
  const reports = await directory();
  const { status, stderr } = await run(program, { NODE_V8_COVERAGE: reports });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  const texts = await Promise.all(
    (await readdir(reports)).map((name) => readFile(join(reports, name), 'utf8')),
  );
  return texts.flatMap((text) =>
    Array.from(text.matchAll(/"url":"([^"]+)"/g), ([, url = '']) => url),
  );
}

describe('importing the package', { timeout: 120_000 }, () => {
  const heavy =
    /\/node_modules\/(?:@google-cloud|google-auth-library|google-gax|gaxios|protobufjs)\//;

  it('and making a kit loads nothing of Google’s', async () => {
    const modules = await loaded(`
      import { createImgkit } from '@imgkit/core';
      import { gce } from ${JSON.stringify(source)};
      await using kit = await createImgkit({
        stateDirectory: process.env.HOME + '/state',
        providers: [gce({ project: 'acme' })],
      });
      kit.providers.get('gce').images.list();
    `);
    expect(modules).toContain(source);
    expect(modules.filter((module) => heavy.test(module))).toEqual([]);
  });

  it('and calling loads the clients that are used, and no others', async () => {
    const program = twoCalls({ endpoint: 'http://127.0.0.1:9' }).replaceAll(
      'stateDirectory',
      'retry: { maxAttempts: 1 }, stateDirectory',
    );
    const clients = (await loaded(program)).flatMap(
      (module) => /\/v1\/(\w+_client)\.js$/.exec(module)?.[1] ?? [],
    );
    expect(clients).toEqual(['projects_client']);
  });
});
