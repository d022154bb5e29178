import type { Container } from 'inversify';
import {
  embeddedEngine,
  Runs,
  systemClock,
  type Clock,
  type Engine,
  type RetryPolicy,
} from './engine/index.ts';
import { Disposal } from './disposal.ts';
import { labelledResources } from './labelled-resources.ts';
import { silentLogger, type Logger } from './logger.ts';
import type { Plugin } from './plugin/define-plugin.ts';
import { loadProvider } from './plugin/provider-container.ts';
import { throwIfAborted } from './plugin/operation.ts';
import { createProviders, type Providers } from './plugin/providers.ts';
import { createRetrier, type Retrier } from './plugin/retrier.ts';
import { tokens } from './plugin/tokens.ts';
import { createChannels } from './services/channels.ts';
import { createDeletionService, type DeletionService } from './services/deletion.ts';
import { createDeprecationService, type DeprecationService } from './services/deprecation.ts';
import { createFamilyService, type FamilyService } from './services/families.ts';
import { createImageService, type ImageService } from './services/images.ts';
import { Publications } from './services/publications.ts';
import { createSharingService, type SharingService } from './services/sharing.ts';
import { sqliteStateStore } from './services/sqlite-state-store.ts';
import type { StateStore } from './services/state-store.ts';
import { createUsageService, type UsageService } from './services/usage.ts';
import type { CallOptions } from './spec/call-options.ts';
import { ImgkitError } from './spec/errors.ts';
import type { Provider } from './spec/provider.ts';
import { defaultStateDirectory, openStateDirectory } from './state-directory.ts';

/** How a kit is set up. */
export interface ImgkitOptions extends CallOptions {
  /** The clouds: `qemu()`, `gce({ name: 'prod', … })`. */
  readonly providers: readonly Plugin[];
  /**
   * Where the kit keeps its journal and records, for this user only. By default `$IMGKIT_HOME`, else
   * `$XDG_STATE_HOME/imgkit`, else `~/.local/state/imgkit`. Kits with the same directory share their runs.
   */
  readonly stateDirectory?: string | undefined;
  /** Where the kit and its plugins write what they do; nowhere by default. */
  readonly logger?: Logger | undefined;
  /** The time; the machine's own by default. */
  readonly clock?: Clock | undefined;
  /** Carries runs through crashes; the embedded engine by default. One that is given is not closed with the kit. */
  readonly engine?: Engine | undefined;
  /** How cloud calls are repeated. */
  readonly retry?: RetryPolicy | undefined;
}

/** The whole of imgkit, over the given providers. */
export interface Imgkit extends AsyncDisposable {
  /** The providers by name. */
  readonly providers: Providers;
  /** Finds images, and says whether they may be used. */
  readonly images: ImageService;
  /** Lines of images: heads, publication, rollback, channels. */
  readonly families: FamilyService;
  /** Withdraws images from use. */
  readonly deprecation: DeprecationService;
  /** Lets others use images. */
  readonly sharing: SharingService;
  /** Tells who uses an image. */
  readonly usage: UsageService;
  /** Deletes what nobody needs. */
  readonly deletion: DeletionService;
  /** What was done, is being done, and was left behind. */
  readonly runs: Runs;
  /** Carries workflows through crashes. */
  readonly engine: Engine;
  /** Repeats cloud calls that may succeed on the next try. */
  readonly retrier: Retrier;
  /** Where the journal and the records are. */
  readonly stateDirectory: string;
  /** This installation: the value of the label `imgkit-owner` on all that it makes. */
  readonly owner: string;
  readonly logger: Logger;
  readonly clock: Clock;
  /** Stops the runs at work here where they are (a later kit resumes them), then disposes of the providers, the last first. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Sets imgkit up.
 *
 * @throws {@link ImgkitError} with `INVALID_ARGUMENT` for two providers of one name or none at all, `PLUGIN_INVALID` or
 *   `PLUGIN_INCOMPATIBLE`, `FAILED_PRECONDITION` if the state directory can't be used.
 *
 * @example
 * ```ts
 * import { createImgkit } from '@imgkit/core';
 * import { qemu } from '@imgkit/qemu';
 *
 * await using kit = await createImgkit({ providers: [qemu(), qemu({ name: 'team-a' })] });
 * for await (const image of kit.images.list('qemu', { family: 'web' })) {
 *   console.log(image.name, image.deprecation.state);
 * }
 * ```
 */
export async function createImgkit(options: ImgkitOptions): Promise<Imgkit> {
  checkNames(options.providers);
  const { logger = silentLogger, clock = systemClock() } = options;
  const stateDirectory = await openStateDirectory(
    options.stateDirectory ?? defaultStateDirectory(),
  );
  const byName = new Map<string, Provider>();
  const providers = createProviders(byName);
  const retrier = createRetrier({ clock, policy: options.retry });
  const disposal = new Disposal();
  try {
    const store = sqliteStateStore(stateDirectory);
    disposal.add('records', () => store.close());

    const { Container: NewContainer } = await import('inversify');
    const container = new NewContainer();
    // The engine removes what runs made through the providers, so it outlives none of them: it's closed first.
    const remover = labelledResources(providers);
    const engine =
      options.engine ?? embeddedEngine({ directory: stateDirectory, remover, clock, logger });
    bindCore(container, { logger, clock, engine, retrier, stateDirectory });
    for (const plugin of options.providers) {
      throwIfAborted(options.signal);
      const loaded = await loadProvider(plugin, container);
      byName.set(plugin.name, loaded.provider);
      disposal.add(`provider "${plugin.name}"`, () => loaded.dispose());
    }
    if (options.engine === undefined) disposal.add('engine', () => engine.close());

    return {
      ...createServices({ providers, store, engine, clock, logger }),
      providers,
      runs: new Runs({ engine, remover, clock }),
      engine,
      retrier,
      stateDirectory,
      owner: await engine.owner({ signal: options.signal }),
      logger,
      clock,
      [Symbol.asyncDispose]: () => disposal.run(),
    };
  } catch (error) {
    await disposal.run().catch((failure: unknown) => {
      logger.warn('setting up failed, and so did closing', { failure });
    });
    throw error;
  }
}

interface ServiceParts {
  readonly providers: Providers;
  readonly store: StateStore;
  readonly engine: Engine;
  readonly clock: Clock;
  readonly logger: Logger;
}

function createServices(parts: ServiceParts) {
  const { providers, logger } = parts;
  const channels = createChannels(parts);
  const families = createFamilyService(providers, new Publications(parts), channels);
  const usage = createUsageService(providers, channels);
  return {
    families,
    usage,
    images: createImageService(providers, families),
    deprecation: createDeprecationService(parts),
    sharing: createSharingService(providers),
    deletion: createDeletionService(providers, usage, logger),
  };
}

interface CoreBindings {
  readonly logger: Logger;
  readonly clock: Clock;
  readonly engine: Engine;
  readonly retrier: Retrier;
  readonly stateDirectory: string;
}

function bindCore(container: Container, parts: CoreBindings): void {
  container.bind(tokens.logger).toConstantValue(parts.logger);
  container.bind(tokens.clock).toConstantValue(parts.clock);
  container.bind(tokens.engine).toConstantValue(parts.engine);
  container.bind(tokens.retrier).toConstantValue(parts.retrier);
  container.bind(tokens.stateDirectory).toConstantValue(parts.stateDirectory);
}

function checkNames(plugins: readonly Plugin[]): void {
  const names = plugins.map(({ name }) => name);
  if (names.length === 0) {
    throw new ImgkitError('INVALID_ARGUMENT', 'a kit needs at least one provider', {
      hint: 'Give some: createImgkit({ providers: [qemu()] }).',
    });
  }
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice === undefined) return;
  throw new ImgkitError('INVALID_ARGUMENT', `two providers are called "${twice}"`, {
    provider: twice,
    hint: "Give each a name of its own: gce({ name: 'prod', … }).",
  });
}
