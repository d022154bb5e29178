import {
  Container,
  ContainerModule,
  inject,
  injectable,
  type ContainerModuleLoadOptions,
  type ServiceIdentifier,
} from 'inversify';
import { describe, expect, it } from 'vitest';
import { silentLogger, type Logger } from '../logger.ts';
import type { Usage } from '../spec/capabilities/usage.ts';
import { ImgkitError } from '../spec/errors.ts';
import { supports } from '../spec/provider.ts';
import { createMemoryProvider, memory, memoryCloud } from '../testing/index.ts';
import type { Plugin } from './define-plugin.ts';
import { loadProvider } from './provider-container.ts';
import { tokens } from './tokens.ts';

type Load = (options: ContainerModuleLoadOptions) => void | Promise<void>;

function pluginOf(...loads: readonly Load[]): Plugin {
  return {
    specVersion: 'v1',
    kind: 'acme',
    name: 'prod',
    modules: loads.map((load) => new ContainerModule(load)),
  };
}

/** Binds what every provider has. */
const required: Load = ({ bind }) => {
  const provider = createMemoryProvider({ cloud: memoryCloud() });
  bind(tokens.images).toConstantValue(provider.images);
  bind(tokens.owned).toConstantValue(provider.owned);
  bind(tokens.connection).toConstantValue(provider);
};

function core(logger: Logger = silentLogger): Container {
  const container = new Container();
  container.bind(tokens.logger).toConstantValue(logger);
  return container;
}

const load = async (plugin: Plugin) => (await loadProvider(plugin, core())).provider;

describe('a loaded provider', () => {
  it('has exactly the capabilities that were bound', async () => {
    const provider = await load(pluginOf(required));
    expect(provider).toMatchObject({
      specVersion: 'v1',
      kind: 'acme',
      name: 'prod',
      project: 'default',
    });
    expect(supports(provider, 'sharing')).toBe(false);
    expect('sharing' in provider).toBe(false);
    const full = await load(memory({ name: 'full' }));
    expect(supports(full, 'sharing') && supports(full, 'fleets')).toBe(true);
  });

  it('is wired by constructor injection from the plugin and from core', async () => {
    const { usage } = createMemoryProvider({ cloud: memoryCloud() });
    const lines: string[] = [];
    @injectable()
    class LoggedUsage implements Usage {
      readonly #logger: Logger;
      readonly #provider: string;
      constructor(
        @inject(tokens.logger) logger: Logger,
        @inject(tokens.providerName) provider: string,
      ) {
        this.#logger = logger;
        this.#provider = provider;
      }
      async of(...call: Parameters<Usage['of']>) {
        this.#logger.info(`${this.#provider} is asked`);
        return usage.of(...call);
      }
    }
    const plugin = pluginOf(required, ({ bind }) => void bind(tokens.usage).to(LoggedUsage));
    const logger = { ...silentLogger, info: (message: string) => void lines.push(message) };
    const { provider } = await loadProvider(plugin, core(logger));
    await provider.usage?.of('x').catch(() => undefined);
    expect(lines).toEqual(['prod is asked']);
  });

  it('has pieces replaced by what is loaded after', async () => {
    const own = createMemoryProvider({ cloud: memoryCloud() });
    const overrides = [
      new ContainerModule(({ rebind }) => void rebind(tokens.sharing).toConstantValue(own.sharing)),
    ];
    expect((await load(memory({ overrides }))).sharing).toBe(own.sharing);
  });

  it('may be bound later', async () => {
    const plugin = pluginOf(async (options) => {
      await Promise.resolve();
      await required(options);
    });
    expect((await load(plugin)).images.traits.sources).toContain('disk');
  });

  it('is disposed of before what it stands on', async () => {
    const order: string[] = [];
    const socket: ServiceIdentifier<string> = Symbol.for('test/Socket');
    const plugin = pluginOf(({ bind, onDeactivation }) => {
      const provider = createMemoryProvider({ cloud: memoryCloud() });
      bind(tokens.images).toConstantValue(provider.images);
      bind(tokens.owned).toConstantValue(provider.owned);
      bind(socket).toConstantValue('socket');
      onDeactivation(socket, async () => void order.push('socket'));
      bind(tokens.connection)
        .toResolvedValue(
          (name: string) => ({
            ...provider,
            project: name,
            dispose: async () => void order.push('connection'),
          }),
          [socket],
        )
        .inSingletonScope();
    });
    const loaded = await loadProvider(plugin, core());
    await loaded.dispose();
    expect(order).toEqual(['connection', 'socket']);
  });
});

describe('a plugin that can not be loaded', () => {
  it.each<[string, Load, string]>([
    [
      'binds nothing',
      () => undefined,
      'images is not bound; owned is not bound; connection is not bound',
    ],
    [
      'lacks a method',
      ({ bind }) => void bind(tokens.usage).toConstantValue(JSON.parse('{}')),
      'usage.of is not a function',
    ],
    [
      'lacks traits',
      ({ bind }) => void bind(tokens.deprecation).toConstantValue(JSON.parse('{}')),
      'deprecation.traits is missing',
    ],
    [
      'binds what is no object',
      ({ bind }) => void bind(tokens.usage).toConstantValue(JSON.parse('1')),
      'usage is not an object',
    ],
  ])('%s: PLUGIN_INVALID that says so', async (what, bindings, message) => {
    const plugin = what === 'binds nothing' ? pluginOf(bindings) : pluginOf(required, bindings);
    await expect(load(plugin)).rejects.toMatchObject({
      code: 'PLUGIN_INVALID',
      provider: 'prod',
      message: expect.stringContaining(message),
    });
  });

  it('breaks its word: a trait without its method, and a method without its trait', async () => {
    const { publishing, sharing } = createMemoryProvider({ cloud: memoryCloud() });
    const headless = { ...publishing };
    delete headless.head;
    const unkept = pluginOf(
      required,
      ({ bind }) => void bind(tokens.publishing).toConstantValue(headless),
    );
    await expect(load(unkept)).rejects.toMatchObject({
      message: expect.stringContaining(
        'publishing.traits.nativeHead is true, but publishing.head is missing',
      ),
    });
    const untold = pluginOf(
      required,
      ({ bind }) =>
        void bind(tokens.sharing).toConstantValue({ ...sharing, accept: async () => undefined }),
    );
    await expect(load(untold)).rejects.toMatchObject({
      message: expect.stringContaining(
        'sharing.accept is there, but sharing.traits.consumerAccepts',
      ),
    });
  });

  it('asks for what nobody bound: inversify’s error is the cause', async () => {
    const plugin = pluginOf(required, ({ bind }) => {
      bind(tokens.usage).toResolvedValue((usage: never) => usage, [Symbol.for('test/Nothing')]);
    });
    const error = await load(plugin).catch((reason: unknown) => reason);
    expect(error).toMatchObject({
      code: 'PLUGIN_INVALID',
      message: expect.stringContaining('test/Nothing'),
    });
    expect(error).toHaveProperty('cause');
  });

  it('throws an error of its own: it comes as it is', async () => {
    const own = new ImgkitError('UNAUTHENTICATED', 'no key');
    const plugin = pluginOf(required, ({ bind }) => {
      bind(tokens.usage).toDynamicValue(() => {
        throw own;
      });
    });
    await expect(load(plugin)).rejects.toBe(own);
  });

  it('is of another version of the contract', async () => {
    const plugin: Plugin = JSON.parse(
      '{ "specVersion": "v9", "kind": "old", "name": "old", "modules": [] }',
    );
    await expect(load(plugin)).rejects.toMatchObject({
      code: 'PLUGIN_INCOMPATIBLE',
      provider: 'old',
      message: expect.stringContaining('"v9"'),
    });
  });
});
