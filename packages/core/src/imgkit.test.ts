import { chmod, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Container, ContainerModule } from 'inversify';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { defineWorkflow, embeddedEngine } from './engine/index.ts';
import { createImgkit } from './imgkit.ts';
import { imgkitModule } from './imgkit-module.ts';
import type { Plugin } from './plugin/define-plugin.ts';
import { tokens } from './plugin/tokens.ts';
import { defaultStateDirectory } from './state-directory.ts';
import { memory, memoryCloud } from './testing/index.ts';

let stateDirectory: string;
beforeEach(async () => {
  stateDirectory = await mkdtemp(join(tmpdir(), 'imgkit-kit-'));
});
afterEach(() => rm(stateDirectory, { recursive: true, force: true }));

/** A memory provider that writes down when it is disposed of. */
function recorded(name: string, order: string[], fail = false): Plugin {
  const overrides = [
    new ContainerModule(({ onActivation }) => {
      onActivation(tokens.connection, (_, connection) => ({
        project: connection.project,
        check: (options) => connection.check(options),
        sameId: (a, b) => connection.sameId(a, b),
        resume: (token, options) => connection.resume(token, options),
        async dispose() {
          order.push(name);
          if (fail) throw new Error(`${name} is stuck`);
        },
      }));
    }),
  ];
  return memory({ name, overrides });
}

describe('createImgkit', () => {
  it('has two instances of one kind side by side, each with its own parts', async () => {
    await using kit = await createImgkit({
      providers: [memory({ name: 'prod', project: 'a' }), memory({ name: 'lab', project: 'b' })],
      stateDirectory,
    });
    const { providers } = kit;
    expect(providers.names()).toEqual(['prod', 'lab']);
    expect([...providers].map(({ project }) => project)).toEqual(['a', 'b']);
    await providers.require('prod', 'disks').disks.create({ name: 'd', sizeBytes: 1_048_576 });
    const there: string[] = [];
    for await (const { name } of providers.require('lab', 'disks').disks.list()) there.push(name);
    expect(there).toEqual([]);
    expect(kit.stateDirectory).toBe(stateDirectory);
  });

  it('says what providers there are when one is not, and what one lacks', async () => {
    await using kit = await createImgkit({
      providers: [memory({ name: 'prod', without: ['fleets'] })],
      stateDirectory,
    });
    const { providers } = kit;
    expect(() => providers.get('prodd')).toThrowError(
      expect.objectContaining({ code: 'PROVIDER_NOT_FOUND', hint: 'Did you mean "prod"?' }),
    );
    expect(() => providers.get('gce')).toThrowError(
      expect.objectContaining({ hint: expect.stringContaining('these are: prod') }),
    );
    expect(() => providers.require('prod', 'fleets')).toThrowError(
      expect.objectContaining({ code: 'UNSUPPORTED', provider: 'prod' }),
    );
  });

  it('refuses two providers of one name, and none', async () => {
    const twice = [memory({ name: 'prod' }), memory({ name: 'prod' })];
    for (const providers of [twice, []]) {
      await expect(createImgkit({ providers, stateDirectory })).rejects.toMatchObject({
        code: 'INVALID_ARGUMENT',
      });
    }
  });

  it('is the same installation the next time', async () => {
    const providers = [memory()];
    const owners: string[] = [];
    for (const _ of [1, 2]) {
      await using kit = await createImgkit({ providers, stateDirectory });
      owners.push(kit.owner);
    }
    expect(owners[0]).toMatch(/^[a-z0-9-]{1,63}$/);
    expect(owners[1]).toBe(owners[0]);
  });

  it('disposes of the providers in reverse order, all of them, once', async () => {
    const order: string[] = [];
    const kit = await createImgkit({
      providers: [recorded('a', order), recorded('b', order, true), recorded('c', order)],
      stateDirectory,
    });
    await expect(kit[Symbol.asyncDispose]()).rejects.toMatchObject({
      code: 'CLEANUP_FAILED',
      message: expect.stringContaining('provider "b": b is stuck'),
    });
    expect(order).toEqual(['c', 'b', 'a']);
    await kit[Symbol.asyncDispose]();
    expect(order).toHaveLength(3);
    await expect(kit.families.channels.get('a', 'web', 'live')).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
    });
  });

  it('disposes of what stood when a later provider fails', async () => {
    const order: string[] = [];
    const broken: Plugin = { specVersion: 'v1', kind: 'broken', name: 'broken', modules: [] };
    await expect(
      createImgkit({ providers: [recorded('a', order), broken], stateDirectory }),
    ).rejects.toMatchObject({ code: 'PLUGIN_INVALID', provider: 'broken' });
    expect(order).toEqual(['a']);
  });

  it('stops when told to, and leaves nothing open', async () => {
    const order: string[] = [];
    const controller = new AbortController();
    const aborting = recorded('a', order);
    const late = new ContainerModule(() => controller.abort());
    const providers = [{ ...aborting, modules: [...aborting.modules, late] }, memory()];
    const { signal } = controller;
    await expect(createImgkit({ providers, stateDirectory, signal })).rejects.toMatchObject({
      code: 'CANCELLED',
    });
    expect(order).toEqual(['a']);
  });

  it('removes what a run made through the provider that made it', async () => {
    const cloud = memoryCloud();
    await using kit = await createImgkit({
      providers: [memory({ name: 'prod', cloud })],
      stateDirectory,
    });
    const { disks } = kit.providers.require('prod', 'disks');
    const failing = defineWorkflow({
      name: 'failing',
      protocol: 1,
      async run(ctx) {
        await ctx.acquire('disk', {
          provider: 'prod',
          kind: 'disk',
          create: async ({ token, labels }) =>
            await disks.create({ name: 'd', sizeBytes: 1_048_576, idempotencyKey: token, labels }),
        });
        expect(cloud.inventory()).toMatchObject([{ labels: { 'imgkit-owner': kit.owner } }]);
        throw new Error('no');
      },
    });
    const run = await kit.runs.start(failing, {}, { id: 'run-1' });
    await expect(run.result()).rejects.toMatchObject({ code: 'OPERATION_FAILED' });
    expect(cloud.inventory()).toEqual([]);
  });

  it('finds by its labels what was made when the answer was lost', async () => {
    const cloud = memoryCloud();
    await using kit = await createImgkit({
      providers: [memory({ name: 'prod', cloud })],
      stateDirectory,
    });
    const { disks } = kit.providers.require('prod', 'disks');
    cloud.faults.fail('disks.create', { when: 'after', code: 'PERMISSION_DENIED' });
    const losing = defineWorkflow({
      name: 'losing',
      protocol: 1,
      run: async (ctx) => {
        await ctx.acquire('disk', {
          provider: 'prod',
          kind: 'disk',
          create: async ({ token, labels }) =>
            await disks.create({ name: 'd', sizeBytes: 1_048_576, idempotencyKey: token, labels }),
        });
      },
    });
    const run = await kit.runs.start(losing, {}, { id: 'run-1' });
    await expect(run.result()).rejects.toMatchObject({ code: 'PERMISSION_DENIED' });
    expect(cloud.inventory()).toEqual([]);
  });

  it('leaves an engine that it was given open', async () => {
    const remover = {
      remove: async () => undefined,
      find: async () => undefined,
      async *listOwned() {
        yield* [];
      },
    };
    const engine = embeddedEngine({ directory: stateDirectory, remover });
    const kit = await createImgkit({ providers: [memory()], stateDirectory, engine });
    expect(kit.engine).toBe(engine);
    await kit[Symbol.asyncDispose]();
    expect(await engine.owner()).toBe(kit.owner);
    await engine.close();
  });
});

describe('the state directory', () => {
  it('is found in the environment', () => {
    expect(defaultStateDirectory({ IMGKIT_HOME: '/a', XDG_STATE_HOME: '/b' })).toBe('/a');
    expect(defaultStateDirectory({ IMGKIT_HOME: '', XDG_STATE_HOME: '/b' })).toBe('/b/imgkit');
    expect(defaultStateDirectory({})).toMatch(/\.local\/state\/imgkit$/);
  });

  it('is made for its owner only, with the files in it', async () => {
    const path = join(stateDirectory, 'new', 'state');
    await using kit = await createImgkit({ providers: [memory()], stateDirectory: path });
    expect((await stat(path)).mode & 0o777).toBe(0o700);
    await kit.families.channels.get('memory', 'web', 'live').catch(() => undefined);
    expect((await stat(join(path, 'kit.db'))).mode & 0o777).toBe(0o600);
  });

  it('is refused when others may enter, or it can not be made', async () => {
    await chmod(stateDirectory, 0o755);
    await expect(createImgkit({ providers: [memory()], stateDirectory })).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      hint: expect.stringContaining('chmod 700'),
    });
    const file = join(stateDirectory, 'file');
    await writeFile(file, '');
    await expect(
      createImgkit({ providers: [memory()], stateDirectory: file }),
    ).rejects.toMatchObject({ code: 'FAILED_PRECONDITION', resource: file });
  });
});

describe('imgkitModule', () => {
  it("gives an application's own container a kit, and disposes of it", async () => {
    const order: string[] = [];
    const container = new Container();
    container.load(await imgkitModule({ providers: [recorded('prod', order)], stateDirectory }));
    const kit = await container.getAsync(tokens.imgkit);
    expect(kit.providers.names()).toEqual(['prod']);
    expect(await container.getAsync(tokens.imgkit)).toBe(kit);
    await container.unbindAllAsync();
    expect(order).toEqual(['prod']);
  });
});
