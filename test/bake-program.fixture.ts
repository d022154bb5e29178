import { createImgkit, family, ImgkitError, type Plugin } from '@imgkit/core';
import {
  bake,
  file,
  reboot,
  recipe,
  secret,
  shell,
  type FileOptions,
  type Provisioner,
  type RecipeOptions,
  type ShellOptions,
} from '@imgkit/bake';
import { azure } from '@imgkit/azure';
import { gce } from '@imgkit/gce';
import { qemu } from '@imgkit/qemu';
import { rackspace, type RackspaceOptions } from '@imgkit/rackspace';
import { join } from 'node:path';
import { azurePlace } from './support/azure-place.ts';

// A program that bakes, as a user's would, for the tests to watch, to interrupt and to kill. What it is to bake is told by its argument; what happens it
// tells by lines of JSON.

/** A step, as text can tell it. */
export type Step =
  | { readonly shell: Omit<ShellOptions, 'secrets'>; readonly secrets?: Record<string, string> }
  | { readonly file: FileOptions }
  | { readonly reboot: true };

/** What is to be baked. */
export interface Job extends Omit<Partial<RecipeOptions>, 'provision' | 'verify'> {
  /** Has the store and the state. */
  readonly directory: string;
  readonly name?: string;
  readonly provision: readonly Step[];
  readonly verify?: readonly Step[];
  readonly version?: string;
  readonly force?: boolean;
  readonly keepOnFailure?: boolean;
  /** Where Compute Engine is, when it is to be baked there instead of in the local store. */
  readonly computeEngine?: string;
  /** The OpenStack at which it is to be baked, and as whom. */
  readonly openStack?: RackspaceOptions;
  /** Where Azure is, when it is to be baked there. */
  readonly azure?: string;
}

/** What it tells. */
export type Line =
  | { readonly tells: 'ready' }
  | ({ readonly tells: 'event'; readonly type: string; readonly message: string } & Record<
      string,
      unknown
    >)
  | {
      readonly tells: 'result';
      readonly name: string;
      readonly id: string;
      readonly reused: boolean;
      readonly predecessors: readonly string[];
      readonly durationMs: number;
    }
  | {
      readonly tells: 'error';
      readonly code: string;
      readonly message: string;
      readonly hint: string | undefined;
      readonly data: unknown;
      readonly runId: string | undefined;
    };

function tell(line: Line): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

function theProvider(): Plugin {
  if (openStack !== undefined) return rackspace({ name: 'cloud', ...openStack });
  if (arm !== undefined) return azure({ endpoint: arm, ...azurePlace });
  if (computeEngine === undefined) return qemu({ directory: join(directory, 'store') });
  return gce({ endpoint: computeEngine, project: 'imgkit-test', zone: 'us-central1-a' });
}

function provisioner(step: Step): Provisioner {
  if ('file' in step) return file(step.file);
  if ('reboot' in step) return reboot();
  const secrets = Object.fromEntries(
    Object.entries(step.secrets ?? {}).map(([name, value]) => [name, secret(value)]),
  );
  return shell({ ...step.shell, secrets });
}

const job: Job = JSON.parse(process.argv[2] ?? '');
const {
  directory,
  name = 'app',
  version,
  force,
  keepOnFailure,
  computeEngine,
  openStack,
  azure: arm,
  ...rest
} = job;
const provider = theProvider();
let runId: string | undefined;
try {
  const one = recipe(name, {
    from: { [provider.name]: family('base') },
    family: name,
    machineType: { cpus: 1, memoryBytes: 256 * 2 ** 20 },
    ...rest,
    provision: job.provision.map(provisioner),
    verify: (job.verify ?? []).map(provisioner),
  });
  await using kit = await createImgkit({
    providers: [provider],
    stateDirectory: join(directory, 'state'),
  });
  const interrupt = new AbortController();
  process.once('SIGINT', () => interrupt.abort());
  tell({ tells: 'ready' });
  const run = bake(kit, one, { version, force, keepOnFailure, signal: interrupt.signal });
  for await (const event of run) tell({ tells: 'event', ...event });
  runId = run.ids[provider.name];
  const [baked] = (await run).images;
  if (baked === undefined) throw new Error('nothing was baked');
  const { image, reused, predecessors, durationMs } = baked;
  tell({ tells: 'result', name: image.name, id: image.ref.id, reused, predecessors, durationMs });
} catch (error) {
  if (!ImgkitError.is(error)) throw error;
  const { code, message, hint, data } = error;
  if (code === 'PROTOCOL') console.error(error);
  tell({ tells: 'error', code, message, hint, data, runId });
  process.exitCode = 1;
}
