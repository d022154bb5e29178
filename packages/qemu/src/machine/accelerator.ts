import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { access, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { ImgkitError, throwIfAborted } from '@imgkit/core';
import { writeAtomically } from '@imgkit/core/local';
import { z } from 'zod';

import { systemCode, toolMissing } from '../errors.ts';

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
  const key = `${release()} / ${await qemuVersion(binary)}`;
  const cache = await readCache(cacheFile);
  const known = cache[key];
  if (known !== undefined) return known;
  const decision = await probeKvm(binary, question.kernel ?? (await hostKernel()), { signal });
  const text = JSON.stringify({ ...cache, [key]: decision }, null, 2);
  await writeAtomically(cacheFile, (path) => writeFile(path, text), { overwrite: true });
  return decision;
}

async function probeKvm(
  binary: string,
  kernel: string | undefined,
  options: { readonly signal?: AbortSignal | undefined },
): Promise<AcceleratorDecision> {
  const deadline = `in ${probeTimeoutMs / 1000} s`;
  if (kernel !== undefined) {
    return (await bootsKernel(binary, 'kvm', kernel, options))
      ? { accelerator: 'kvm', reason: 'a kernel booted with it' }
      : { accelerator: 'tcg', reason: `no kernel booted with KVM ${deadline}` };
  }
  // On many systems only root may read the kernel. The processor says that it can: so this is enough.
  return (await bootsSector(binary, 'kvm', options))
    ? { accelerator: 'kvm', reason: 'a boot sector ran with it, and no kernel is readable here' }
    : { accelerator: 'tcg', reason: `not even a boot sector ran with KVM ${deadline}` };
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
  options: ProbeOptions = {},
): Promise<boolean> {
  // panic=-1 makes the kernel, that finds no root, restart at once, and that ends QEMU.
  const args = ['-no-reboot', '-kernel', kernel, '-append', 'console=ttyS0 panic=-1'];
  const { said } = await tryGuest(binary, accelerator, () => args, options);
  return /Unable to mount root fs/.test(said);
}

// mov dx, 0xf4; mov al, 16; out dx, al; hlt; jmp to the hlt: QEMU's exit device makes an exit code of it.
const sectorCode = [0xba, 0xf4, 0x00, 0xb0, 0x10, 0xee, 0xf4, 0xeb, 0xfd];
const sectorExitCode = (16 << 1) | 1;

/** Boots a sector of our own, and tells whether its instructions were carried out. */
export async function bootsSector(
  binary: string,
  accelerator: Accelerator,
  options: ProbeOptions = {},
): Promise<boolean> {
  const sector = Buffer.alloc(2 ** 20); // firmware takes nothing smaller for a disk
  sector.set(sectorCode);
  sector.writeUInt16LE(0xaa55, 510);
  const { code } = await tryGuest(binary, accelerator, sectorArguments, options, sector);
  return code === sectorExitCode;
}

function sectorArguments(directory: string): string[] {
  const file = join(directory, 'sector').replaceAll(',', ',,');
  const exit = ['-device', 'isa-debug-exit,iobase=0xf4,iosize=1'];
  return [...exit, '-drive', `file=${file},format=raw,if=ide`];
}

/** How a guest is tried. */
export interface ProbeOptions {
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

async function tryGuest(
  binary: string,
  accelerator: Accelerator,
  guest: (directory: string) => readonly string[],
  options: ProbeOptions,
  sector?: Uint8Array,
): Promise<{ readonly code: number | undefined; readonly said: string }> {
  const directory = await mkdtemp(join(tmpdir(), 'imgkit-probe-'));
  const console = join(directory, 'console');
  const args = ['-nodefaults', '-no-user-config', '-display', 'none', '-m', '256M'];
  args.push('-machine', 'q35', '-accel', accelerator, '-serial', `file:${console}`);
  if (accelerator === 'kvm') args.push('-cpu', 'host');
  try {
    if (sector !== undefined) await writeFile(join(directory, 'sector'), sector);
    const code = await exitCode(binary, [...args, ...guest(directory)], options);
    return { code, said: await readFile(console, 'utf8').catch(() => '') };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function exitCode(
  binary: string,
  args: readonly string[],
  { timeoutMs: timeout = probeTimeoutMs, signal }: ProbeOptions,
): Promise<number | undefined> {
  try {
    await promisify(execFile)(binary, args, { timeout, killSignal: 'SIGKILL', signal });
    return 0;
  } catch (error) {
    throwIfAborted(signal, 'choosing the accelerator');
    if (systemCode(error) === 'ENOENT') throw toolMissing(binary, error);
    const code: unknown = error instanceof Error ? Reflect.get(error, 'code') : undefined;
    return typeof code === 'number' ? code : undefined;
  }
}

async function hostKernel(): Promise<string | undefined> {
  for (const path of [
    `/boot/vmlinuz-${release()}`,
    `/lib/modules/${release()}/vmlinuz`,
    '/boot/vmlinuz',
  ]) {
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
