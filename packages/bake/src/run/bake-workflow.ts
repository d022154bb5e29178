import {
  bakeKeyLabel,
  defineWorkflow,
  formatRef,
  ImgkitError,
  type Acquired,
  type ImageRef,
  type Imgkit,
  type Workflow,
  type WorkflowContext,
} from '@imgkit/core';
import { bakeKey } from '../bake-key.ts';
import type { ProviderMachine } from '../machine.ts';
import { secretsOf, type Recipe } from '../recipe.ts';
import { Redactor } from '../redact.ts';
import type { BakeNews, BakePhase } from './bake-event.ts';
import { KeyFiles } from './key-files.ts';
import { followed, messageOf, RunMachines } from './machines.ts';
import {
  bakingProvider,
  imageName,
  resolveSource,
  sourceFor,
  type BakingProvider,
} from './plan.ts';
import type { Baker } from './workflows.ts';

/** What a run of the workflow is started with. */
export interface BakeInput {
  readonly provider: string;
  /** The digest of the recipe: the workflow's code has the recipe itself. */
  readonly recipe: string;
  readonly version: string | null;
  /** Counts the bakes of one version, from 1. */
  readonly generation: number;
}

/** What it gives. */
export interface BakeOutput {
  readonly image: ImageRef;
  /** The images it replaces, as text. */
  readonly predecessors: readonly string[];
}

/** What the first step records: from here on the run doesn't look at what "latest" means any more. */
interface Resolved {
  readonly source: ImageRef;
  readonly key: string;
  readonly version: string;
  readonly name: string;
  /** When its machines may remove themselves. */
  readonly expiresAt: string;
}

const dayMs = 86_400_000;

/**
 * The workflow that bakes one recipe at one provider. Its name has the digest of the recipe, since only a program that has this recipe can go on with its
 * runs.
 */
export function bakeWorkflow(
  name: string,
  recipeDigest: string,
  current: () => Baker,
): Workflow<BakeInput, BakeOutput> {
  return defineWorkflow({
    name: `bake ${name} ${recipeDigest.slice(0, 16)}`,
    protocol: 1,
    run: (ctx, input: BakeInput) => new Bake(current(), ctx, input).run(),
  });
}

/** One run of it. */
class Bake {
  readonly #kit: Imgkit;
  readonly #recipe: Recipe;
  readonly #ctx: WorkflowContext;
  readonly #input: BakeInput;
  readonly #provider: BakingProvider;
  readonly #keys: KeyFiles;
  readonly #redactor: Redactor;
  readonly #machines: RunMachines;

  constructor({ kit, recipe, connect }: Baker, ctx: WorkflowContext, input: BakeInput) {
    this.#kit = kit;
    this.#recipe = recipe;
    this.#ctx = ctx;
    this.#input = input;
    this.#provider = bakingProvider(kit, recipe, input.provider);
    this.#keys = new KeyFiles(kit.stateDirectory);
    this.#redactor = new Redactor(secretsOf(recipe));
    this.#machines = new RunMachines({
      ctx,
      recipe,
      provider: this.#provider,
      connect,
      keys: this.#keys,
      redactor: this.#redactor,
      warn: (message, step) => this.#tell({ topic: 'warning', message }, step),
    });
  }

  async run(): Promise<BakeOutput> {
    const { runId, signal } = this.#ctx;
    try {
      const output = await this.#bake();
      await this.#ctx.step('forget keys', () => this.#keys.remove(runId).then(() => null));
      return output;
    } catch (error) {
      // A machine that stays is of use only to somebody who can log in.
      if (signal.aborted || !(await this.#isKept())) await this.#keys.remove(runId);
      throw error;
    }
  }

  async #bake(): Promise<BakeOutput> {
    const { runId } = this.#ctx;
    const resolved = await this.#phase('resolve', () => this.#resolve());
    await this.#ctx.step('keys', () => this.#keys.make(runId).then(() => null));
    const candidate = await this.#build(resolved);
    if (this.#recipe.verify.length > 0)
      await this.#phase('verify', () => this.#verify(resolved, candidate));
    return this.#phase('publish', () => this.#publish(resolved, candidate));
  }

  async #resolve(): Promise<Resolved> {
    const { provider: name, version: wanted, generation, recipe } = this.#input;
    const now = await this.#ctx.now();
    return this.#ctx.step('resolve', async ({ signal }) => {
      const { image } = await resolveSource(this.#kit, sourceFor(this.#recipe, name), name, {
        signal,
      });
      const version = wanted ?? versionFrom(now);
      const resolved: Resolved = {
        source: image.ref,
        key: bakeKey({
          recipe,
          source: image,
          provider: this.#provider,
          version: wanted ?? undefined,
        }),
        version,
        name: imageName(this.#recipe, version, generation),
        expiresAt: new Date(now + dayMs).toISOString(),
      };
      for await (const taken of this.#provider.images.list({ name: resolved.name }, { signal }))
        throw new ImgkitError(
          'ALREADY_EXISTS',
          `the image "${resolved.name}" exists already and was baked from something else`,
          {
            provider: name,
            operation: 'bake',
            resource: formatRef(taken.ref),
            hint: 'Bake another version, or delete that image first.',
          },
        );
      return resolved;
    });
  }

  /** From the source to the candidate. The builder goes as soon as its disk is an image. */
  async #build(resolved: Resolved): Promise<Acquired> {
    const builder = await this.#phase('launch', () =>
      this.#machines.launch('builder', resolved.source, resolved.expiresAt),
    );
    const machine = await this.#machines.reach('builder', builder);
    await this.#phase('boot', () => this.#machines.boot(builder, machine));
    await this.#phase('provision', () => this.#provision(machine));
    await this.#phase('seal', () => this.#machines.seal(machine));
    const candidate = await this.#phase('capture', () => this.#capture(resolved, builder.id));
    await this.#ctx.forget('builder');
    await this.#ctx.release(builder);
    return candidate;
  }

  async #provision(machine: ProviderMachine): Promise<void> {
    try {
      for (const [index, provisioner] of this.#recipe.provision.entries())
        await this.#machines.provision(
          `provision[${index}] ${provisioner.label}`,
          provisioner,
          machine,
        );
    } catch (error) {
      const hook = this.#recipe.onFailure;
      if (hook !== undefined && !this.#ctx.signal.aborted) {
        await this.#machines
          .provision(`onFailure ${hook.label}`, hook, machine)
          .catch((failure: unknown) => {
            this.#tell({
              topic: 'warning',
              message: `the step for failures failed itself: ${messageOf(failure)}`,
            });
          });
      }
      throw await this.#toldHowToReach(error, machine);
    }
  }

  #capture({ name, version, key, source }: Resolved, instance: string): Promise<Acquired> {
    const { family, labels, description = `baked from ${formatRef(source)}` } = this.#recipe;
    const { images } = this.#provider;
    return this.#ctx.acquire('capture', {
      provider: this.#provider.name,
      kind: 'image',
      create: async (context) => {
        const { signal, token: idempotencyKey } = context;
        const created = images.create(
          {
            name,
            source: { kind: 'instance', instance },
            family,
            version,
            staged: true,
            labels: { ...labels, ...context.labels, [bakeKeyLabel]: key },
            description,
            idempotencyKey,
          },
          { signal },
        );
        const { ref } = await followed(created, context);
        return { id: ref.id };
      },
    });
  }

  /** On a machine of its own, started as the image's users will start theirs. */
  async #verify({ expiresAt }: Resolved, candidate: Acquired): Promise<void> {
    const image = { provider: candidate.provider, id: candidate.id };
    const verifier = await this.#machines.launch('verifier', image, expiresAt);
    const machine = await this.#machines.reach('verifier', verifier);
    try {
      await this.#machines.bootVerifier(machine, candidate.id);
      for (const [index, provisioner] of this.#recipe.verify.entries())
        await this.#machines.provision(
          `verify[${index}] ${provisioner.label}`,
          provisioner,
          machine,
        );
    } catch (error) {
      throw await this.#toldHowToReach(error, machine);
    }
    await this.#ctx.forget('verifier');
    await this.#ctx.release(verifier);
  }

  async #publish({ version }: Resolved, candidate: Acquired): Promise<BakeOutput> {
    const image: ImageRef = { provider: candidate.provider, id: candidate.id };
    const { family } = this.#recipe;
    // First: what may be a head by now must never be taken for something to be cleaned up.
    await this.#ctx.keep(candidate);
    try {
      return await this.#ctx.step('publish', async ({ signal }) => {
        const { predecessors } = await this.#kit.families.publish(image, {
          family,
          version,
          signal,
        });
        return { image, predecessors: predecessors.map((one) => formatRef(one.ref)) };
      });
    } catch (error) {
      const now = await this.#provider.images.get(candidate.id).catch(() => undefined);
      if (now?.published === false && !this.#ctx.signal.aborted) await this.#ctx.release(candidate);
      throw error;
    }
  }

  async #toldHowToReach(error: unknown, machine: ProviderMachine): Promise<unknown> {
    if (this.#ctx.signal.aborted || !(await this.#isKept())) return error;
    return this.#machines.sayHowToReach(error, machine);
  }

  async #isKept(): Promise<boolean> {
    const run = await this.#kit.engine.show(this.#ctx.runId).catch(() => undefined);
    return run?.keepOnFailure === true;
  }

  async #phase<T>(phase: BakePhase, work: () => Promise<T>): Promise<T> {
    this.#tell({ topic: 'phase-start', message: phase, data: { phase } });
    const begun = performance.now();
    const value = await work();
    const durationMs = Math.round(performance.now() - begun);
    this.#tell({
      topic: 'phase-end',
      message: `${phase} took ${(durationMs / 1000).toFixed(1)} s`,
      data: { phase, durationMs },
    });
    return value;
  }

  #tell(news: BakeNews, context: Pick<WorkflowContext, 'progress'> = this.#ctx): void {
    context.progress({ ...news, message: this.#redactor.text(news.message) });
  }
}

/** A version for those who give none: the time, to the second. */
function versionFrom(now: number): string {
  return new Date(now).toISOString().slice(0, 19).replaceAll(/[-:]/gu, '').replace('T', '-');
}
