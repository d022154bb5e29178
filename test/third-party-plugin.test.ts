import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import * as attic from '@example/imgkit-attic';
import { createImgkit, loadPlugins } from '@imgkit/core';
import { describeProvider, type ProviderWorld } from '@imgkit/core/testing';
import { ContainerModule } from 'inversify';
import { afterAll, describe, expect, it } from 'vitest';

const directory = await mkdtemp(join(tmpdir(), 'imgkit-attic-'));
const file = join(directory, 'disk.raw');
await writeFile(file, 'a disk');
afterAll(() => rm(directory, { recursive: true }));

const name = '@example/imgkit-attic';
const from = import.meta.url;

async function atticWorld(): Promise<ProviderWorld> {
  const stateDirectory = await mkdtemp(join(directory, 'state-'));
  const providers = await loadPlugins([{ package: name, options: { name: 'loft' } }], { from });
  const kit = await createImgkit({ providers, stateDirectory });
  return {
    provider: kit.providers.get('loft'),
    source: { kind: 'file', file },
    dispose: () => kit[Symbol.asyncDispose](),
  };
}

describe('a third party’s plugin in plain JavaScript', () => {
  it('has its own copy of inversify', () => {
    expect(attic.ContainerModule).not.toBe(ContainerModule);
    const [module] = attic.attic().modules;
    expect(module).toBeInstanceOf(attic.ContainerModule);
    expect(module).not.toBeInstanceOf(ContainerModule);
  });

  it('is loaded by its name, twice beside itself, and lets go with the kit', async () => {
    const stateDirectory = await mkdtemp(join(directory, 'state-'));
    const providers = await loadPlugins([name, { package: name, options: { name: 'loft' } }], {
      from,
    });
    const kit = await createImgkit({ providers, stateDirectory });
    expect(kit.providers.names()).toEqual(['attic', 'loft']);
    const request = { name: 'chest', source: { kind: 'file', file } } as const;
    const { ref } = await kit.providers.get('loft').images.create(request);
    expect(ref).toEqual({ provider: 'loft', id: 'box/chest' });
    await expect(kit.providers.get('attic').images.get(ref.id)).rejects.toMatchObject({
      code: 'NOT_FOUND',
      provider: 'attic',
    });
    const loft = kit.providers.get('loft');
    await kit[Symbol.asyncDispose]();
    await expect(loft.check()).rejects.toMatchObject({ code: 'FAILED_PRECONDITION' });
  });

  it('refuses options that it doesn’t take', async () => {
    const options = { name: 'loft', roof: 'steep' };
    await expect(loadPlugins([{ package: name, options }], { from })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
  });
});

const built = new URL('../packages/core/dist/testing/index.js', import.meta.url);

describe('a third party’s own tests', () => {
  it.skipIf(!existsSync(built))('pass with the built packages and Node’s runner', async () => {
    const suite = fileURLToPath(new URL('third-party-plugin/conformance.js', import.meta.url));
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const { stdout } = await promisify(execFile)(process.execPath, ['--test', suite], { env });
    expect(stdout).toMatch(/^. pass [2-9]\d$/m);
    expect(stdout).toMatch(/^. fail 0$/m);
    expect(stdout).toContain('not checked: deprecation, sharing,');
  });
});

await describeProvider({
  it,
  describe: (topic, body) => describe(`a third party’s plugin: ${topic}`, body),
  createWorld: atticWorld,
});
