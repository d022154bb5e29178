import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { access, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { ImgkitError } from '@imgkit/core';
import { z } from 'zod';

import { systemCode, throwIfAborted, toolMissing } from '../errors.ts';
import { writeAtomically } from '../formats/atomic-file.ts';

/** How guest code is run: by the processor (`kvm`), or translated (`tcg`), some ten times slower. */
export type Accelerator = 'kvm' | 'tcg';

/** Which accelerator is used, and why. */
export interface AcceleratorDecision {
  readonly accelerator: Accelerator;
  /** The reason as a clause, for example `/dev/kvm does not exist`. */
  readonly reason: string;
}

/** What the decision is made from. */
export interface AcceleratorQuestion {
  readonly binary: string;
  /** Where the answer of a probe is kept, for each kernel of the host and version of QEMU. */
  readonly cacheFile: string;
  /** Decides without a probe. */
  readonly override?: Accelerator | undefined;
  /** The Linux kernel (a bzImage) that the probe boots; the host's own by default. */
  readonly kernel?: string | undefined;
  /** Where the host tells what it has; its own files by default. */
  readonly host?: HostFiles | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** The files by which Linux tells whether there is virtualization. */
export interface HostFiles {
  readonly device: string;
  readonly cpuinfo: string;
}

const probeTimeoutMs = 20_000;
const cacheSchema = z.record(
  z.string(),
  z.object({ accelerator: z.enum(['kvm', 'tcg']), reason: z.string() }),
);

/**
 * Decides between KVM and TCG. That `/dev/kvm` can be opened proves nothing: there are hosts where
 * it does, and firmware runs, but a stock kernel never gets through its boot. So one is booted.
 */
export async function decideAccelerator(
  question: AcceleratorQuestion,
): Promise<AcceleratorDecision> {
  const { binary, cacheFile, override, signal } = question;
  throwIfAborted(signal, 'choosing the accelerator');
  if (override !== undefined) return { accelerator: override, reason: 'it was asked for' };
  const obstacle = await kvmObstacle(question.host);
  if (obstacle !== undefined) return { accelerator: 'tcg', reason: obstacle };
  const kernel = question.kernel ?? (await hostKernel());
  if (kernel === undefined) {
    return { accelerator: 'tcg', reason: 'there is no kernel here with which KVM could be tried' };
  }
  const key = `${release()} / ${await qemuVersion(binary)}`;
  const cache = await readCache(cacheFile);
  const known = cache[key];
  if (known !== undefined) return known;
  const decision: AcceleratorDecision = (await bootsKernel(binary, 'kvm', kernel, { signal }))
    ? { accelerator: 'kvm', reason: 'a kernel booted with it' }
    : { accelerator: 'tcg', reason: `no kernel booted with KVM in ${probeTimeoutMs / 1000} s` };
  const text = JSON.stringify({ ...cache, [key]: decision }, null, 2);
  await writeAtomically(cacheFile, (path) => writeFile(path, text), { overwrite: true });
  return decision;
}

/** Why KVM can't work here, as far as that can be told at once; `undefined` when it may. */
export async function kvmObstacle(
  files: HostFiles = { device: '/dev/kvm', cpuinfo: '/proc/cpuinfo' },
): Promise<string | undefined> {
  if (process.arch !== 'x64') return 'the processor of the host is not an x86';
  const cpuinfo = await readFile(files.cpuinfo, 'utf8').catch(() => '');
  if (!/^flags\s*:.*\b(svm|vmx)\b/m.test(cpuinfo)) return 'the processor offers no virtualization';
  try {
    await access(files.device, constants.R_OK | constants.W_OK);
    return undefined;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return `${files.device} does not exist`;
    return `${files.device} may not be used by this user`;
  }
}

/** The version of QEMU, for example `7.2.22`. */
export async function qemuVersion(binary: string): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)(binary, ['--version'], { timeout: 10_000 });
    const version = /version (\d+\.\d+\.\d+)/.exec(stdout)?.[1];
    if (version !== undefined) return version;
    throw new ImgkitError('FAILED_PRECONDITION', `${binary} is not a QEMU: it tells no version`);
  } catch (error) {
    throw systemCode(error) === 'ENOENT' ? toolMissing(binary, error) : error;
  }
}

/**
 * Boots a kernel without any disk and tells whether it got as far as looking for one: through all
 * of its own start, which is what broken virtualization does not survive.
 */
export async function bootsKernel(
  binary: string,
  accelerator: Accelerator,
  kernel: string,
  options: {
    readonly timeoutMs?: number | undefined;
    readonly signal?: AbortSignal | undefined;
  } = {},
): Promise<boolean> {
  const directory = await mkdtemp(join(tmpdir(), 'imgkit-probe-'));
  const console = join(directory, 'console');
  const args = ['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot', '-m', '256M'];
  args.push(
    '-machine',
    'q35',
    '-accel',
    accelerator,
    '-serial',
    `file:${console}`,
    '-kernel',
    kernel,
  );
  if (accelerator === 'kvm') args.push('-cpu', 'host');
  // panic=-1 makes the kernel, that finds no root, restart at once, and that ends QEMU.
  args.push('-append', 'console=ttyS0 panic=-1');
  try {
    await promisify(execFile)(binary, args, {
      timeout: options.timeoutMs ?? probeTimeoutMs,
      killSignal: 'SIGKILL',
      signal: options.signal,
    }).catch((error: unknown) => {
      throwIfAborted(options.signal, 'choosing the accelerator');
      if (systemCode(error) === 'ENOENT') throw toolMissing(binary, error);
    });
    return /Unable to mount root fs/.test(await readFile(console, 'utf8').catch(() => ''));
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function hostKernel(): Promise<string | undefined> {
  for (const path of [`/boot/vmlinuz-${release()}`, '/boot/vmlinuz', '/vmlinuz']) {
    const readable = await access(path, constants.R_OK).then(
      () => true,
      () => false,
    );
    if (readable) return path;
  }
  return undefined;
}

async function readCache(path: string): Promise<z.infer<typeof cacheSchema>> {
  try {
    return cacheSchema.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch {
    return {}; // missing or damaged: the probe is made again
  }
}
