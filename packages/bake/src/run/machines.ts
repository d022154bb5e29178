import {
  ImgkitError,
  type Acquired,
  type ImageRef,
  type Operation,
  type StepContext,
  type WorkflowContext,
} from '@imgkit/core';
import { ProviderMachine, type Connect } from '../machine.ts';
import type { Provisioner } from '../provisioner.ts';
import type { Recipe } from '../recipe.ts';
import type { Redactor } from '../redact.ts';
import { sealMark } from '../seal.ts';
import type { KeyFiles } from './key-files.ts';
import { machineName, type BakingProvider } from './plan.ts';
import { provisionStep } from './provision.ts';

/** A launched builder or verifier. */
export type Launched = Acquired<{
  readonly id: string;
  /** The key under which its booted state is, or may be, saved; nothing where machines can't be resumed. */
  readonly warmKey: string | null;
  /** Whether it was resumed from there. */
  readonly warm: boolean;
}>;

/** What the machines of a run have in common. */
export interface MachineParts {
  readonly ctx: WorkflowContext;
  readonly recipe: Recipe;
  readonly provider: BakingProvider;
  readonly connect: Connect;
  readonly keys: KeyFiles;
  readonly redactor: Redactor;
  /** Tells a warning. */
  readonly warn: (message: string, step?: StepContext) => void;
}

/** Builder and verifier of one run: launched, reached, told what to do. */
export class RunMachines {
  readonly #parts: MachineParts;

  constructor(parts: MachineParts) {
    this.#parts = parts;
  }

  /** The user to log in as. */
  get user(): string {
    const { recipe, provider } = this.#parts;
    return recipe.user ?? provider.instances.traits.defaultUser;
  }

  launch(role: 'builder' | 'verifier', image: ImageRef, expiresAt: string): Promise<Launched> {
    const { ctx, provider, recipe, keys } = this.#parts;
    const { instances, warmStarts } = provider;
    const builds = role === 'builder';
    return ctx.acquire(`launch ${role}`, {
      provider: provider.name,
      kind: 'instance',
      create: async (context) => {
        const { signal, token, labels } = context;
        const { login, host } = await keys.get(ctx.runId);
        const { machineType, diskSizeBytes } = recipe;
        // Only builders start from the same image again and again.
        const resumable = builds && diskSizeBytes === undefined ? warmStarts : undefined;
        const warmKey = await resumable?.key({ image: image.id, machineType }, { signal });
        const warm = warmKey !== undefined && (await resumable?.has(warmKey, { signal })) === true;
        const launched = instances.launch(
          {
            name: machineName(recipe, role, token),
            boot: { kind: 'image', image },
            machineType,
            bootDiskSizeBytes: builds ? diskSizeBytes : undefined,
            labels,
            authorizedKeys: [{ user: this.user, publicKey: login.publicKey }],
            hostKey: instances.traits.hostKeyInjection ? host : undefined,
            ephemeral: true,
            expiresAt,
            warmStart: warm ? warmKey : undefined,
            idempotencyKey: token,
          },
          { signal },
        );
        const { id } = await followed(launched, context);
        return { id, warmKey: warmKey ?? null, warm };
      },
    });
  }

  /** The machine behind a launched instance. Its connection ends with {@link WorkflowContext.forget} of its role. */
  reach(role: 'builder' | 'verifier', { id, value }: Launched): Promise<ProviderMachine> {
    const { ctx, provider, recipe, connect, keys } = this.#parts;
    const { name, instances } = provider;
    return ctx.memo(
      role,
      () =>
        new ProviderMachine({
          provider: name,
          instances,
          instance: id,
          connect,
          user: this.user,
          // Read late: a run that was cut off at its very end passes here again when they are gone.
          async keys() {
            const { login, host } = await keys.get(ctx.runId);
            const hostKey = instances.traits.hostKeyInjection ? host.publicKey : undefined;
            return { privateKey: login.privateKey, hostKey };
          },
          bootTimeoutMs: recipe.bootTimeoutMs,
          resumed: value.warm,
          signal: ctx.signal,
        }),
      (machine) => machine.disconnect(),
    );
  }

  /** Waits until the builder can be reached, and saves its booted state when there is none yet. */
  async boot({ id, value }: Launched, machine: ProviderMachine): Promise<void> {
    const { ctx, provider, warn } = this.#parts;
    const { warmStarts } = provider;
    await this.#guestStep('boot', machine, async () => {
      await machine.guest();
    });
    const { warmKey, warm } = value;
    if (warmKey === null || warm || warmStarts === undefined) return;
    await ctx.step('save warm start', async (step) => {
      const { signal } = step;
      try {
        // Who died while saving it may have left it held: it can't be reached until it goes on.
        if (step.attempt > 1) await provider.instances.start(id, { signal });
        const guest = await machine.guest();
        const { exitCode, stderr } = await guest.exec('sh -s', {
          stdin: warmStarts.guestScript,
          asRoot: true,
          signal,
        });
        if (exitCode !== 0) throw new Error(`the guest could not be made ready: ${stderr.trim()}`);
        await warmStarts.save(warmKey, id, { signal });
      } catch (error) {
        if (signal.aborted) throw error;
        // The next bake boots, as this one did: slower, and no worse.
        warn(`the booted machine could not be saved for later bakes: ${messageOf(error)}`, step);
      }
      return null;
    });
  }

  provision(name: string, provisioner: Provisioner, machine: ProviderMachine): Promise<void> {
    const { ctx, redactor } = this.#parts;
    return provisionStep(ctx, {
      name,
      provisioner,
      machine,
      redactor,
      console: () => this.#consoleOf(machine),
    });
  }

  seal(machine: ProviderMachine): Promise<void> {
    const { ctx, recipe, keys, warn } = this.#parts;
    return this.#guestStep('seal', machine, async (step) => {
      const { login } = await keys.get(ctx.runId);
      const begun = step.lastHeartbeat === true;
      step.heartbeat(true);
      await machine.sealAndStop(login.publicKey, recipe.seal ?? {}, begun, (message) =>
        warn(message, step),
      );
    });
  }

  /** Waits until the verifier has booted to its end, since services are what is verified, and makes sure that what it was started from had been sealed. */
  bootVerifier(machine: ProviderMachine, image: string): Promise<void> {
    const { provider } = this.#parts;
    return this.#guestStep('boot verifier', machine, async ({ signal }) => {
      const guest = await machine.guest();
      // The last thing that sealing removes. Where it stands, the disk was taken before sealing was done.
      const { exitCode } = await guest.exec(`[ ! -e ${sealMark} ] || exit 1\n${awaitBoot}`, {
        signal,
      });
      if (exitCode === 0) return;
      throw new ImgkitError('OPERATION_FAILED', 'the candidate was captured before it was sealed', {
        provider: provider.name,
        operation: 'verify',
        resource: image,
        hint: 'Bake again.',
      });
    });
  }

  /** With `keepOnFailure` the machine stays: an error that says how to look into it is worth more. */
  async sayHowToReach(failure: unknown, { instance }: ProviderMachine): Promise<unknown> {
    const { ctx, provider, keys } = this.#parts;
    if (!ImgkitError.is(failure)) return failure;
    const endpoint = await provider.instances.endpoint(instance).catch(() => undefined);
    if (endpoint === undefined) return failure;
    const ssh = `ssh -i ${keys.loginFile(ctx.runId)} -o StrictHostKeyChecking=no -p ${endpoint.port} ${this.user}@${endpoint.host}`;
    return new ImgkitError(failure.code, failure.message, {
      provider: failure.provider,
      operation: failure.operation,
      resource: failure.resource,
      hint: `The machine was kept. Look into it with: ${ssh}. Then clean run "${ctx.runId}" up.`,
      data: { ...failure.data, ssh },
      cause: failure.cause,
    });
  }

  /** A step in which the machine itself has to come up or go down: when it fails, the console tells why. */
  async #guestStep(
    name: string,
    machine: ProviderMachine,
    work: (step: StepContext) => Promise<void>,
  ): Promise<void> {
    const { ctx, provider, redactor } = this.#parts;
    await ctx.step(
      name,
      async (step) => {
        try {
          await work(step);
        } catch (error) {
          if (step.signal.aborted || !ImgkitError.is(error)) throw error;
          // A machine that could not be reached for so long is not tried again.
          const code = error.code === 'TIMEOUT' ? 'OPERATION_FAILED' : error.code;
          throw redactor.error(
            new ImgkitError(code, error.message, {
              provider: provider.name,
              operation: error.operation,
              resource: machine.instance,
              hint: error.hint,
              data: { ...error.data, step: name, console: await this.#consoleOf(machine) },
              cause: error,
            }),
          );
        }
        return null;
      },
      { retry: { maxAttempts: 3, initialMs: 500 } },
    );
  }

  async #consoleOf({ instance }: ProviderMachine): Promise<readonly string[]> {
    const { instances } = this.#parts.provider;
    if (!instances.traits.console) return [];
    const options = { maxBytes: 8192, signal: AbortSignal.timeout(5000) };
    const text = await instances.console(instance, options).catch(() => '');
    return this.#parts.redactor.text(text).split(/\r?\n/u).slice(-40);
  }
}

/** Waits, but not forever, until systemd has started what it starts. A service that fails is for the checks to find. */
const awaitBoot = `[ ! -d /run/systemd/system ] || timeout 300 systemctl is-system-running --wait >/dev/null 2>&1
exit 0`;

/** Waits for a long call, and shows how far it has come: what is new, and every twentieth of it. */
export async function followed<T>(operation: Operation<T>, context: StepContext): Promise<T> {
  let told: string | undefined;
  for await (const { message, fraction } of operation) {
    const now = `${message} ${Math.floor((fraction ?? 0) * 20)}`;
    if (now !== told) context.progress({ message, fraction });
    told = now;
  }
  return operation;
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
