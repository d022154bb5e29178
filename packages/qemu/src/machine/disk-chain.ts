import { link } from 'node:fs/promises';
import { join } from 'node:path';

import { ImgkitError } from '@imgkit/core';
import { readInfo, runTool } from '@imgkit/core/local';

import type { MachineCallOptions } from './machine.ts';

/** Which disk of a machine a file is, and how many saves ago: disk-0.qcow2, then disk-0.1.qcow2 atop it… */
export function generationOf(
  file: string,
): { readonly stem: string; readonly number: number } | undefined {
  const match = /^(disk-\d+)(?:\.(\d+))?\.qcow2$/.exec(file);
  return match === null ? undefined : { stem: match[1] ?? '', number: Number(match[2] ?? 0) };
}

function fileOf(stem: string, number: number): string {
  return number === 0 ? `${stem}.qcow2` : `${stem}.${number}.qcow2`;
}

/**
 * Makes a new top for the disk `file`, and gives its name. The backing file is named without its
 * folder, so that a whole chain can be linked elsewhere.
 */
export async function overlayOf(
  directory: string,
  file: string,
  options: MachineCallOptions,
): Promise<string> {
  const generation = generationOf(file);
  if (generation === undefined)
    throw new ImgkitError('INVALID_ARGUMENT', `${file} is not a disk of a machine`);
  const name = fileOf(generation.stem, generation.number + 1);
  const { virtualSize } = await readInfo(join(directory, file), 'qcow2', options);
  const args = ['-q', '-u', '-f', 'qcow2', '-F', 'qcow2', '-b', file, join(directory, name)];
  await runTool('qemu-img', ['create', ...args, String(virtualSize)], options);
  return name;
}

/** Gives the disk `file`, with all it stands on, a second place. */
export async function linkChain(from: string, to: string, file: string): Promise<void> {
  const generation = generationOf(file);
  if (generation === undefined) return;
  for (let number = 0; number <= generation.number; number++) {
    const name = fileOf(generation.stem, number);
    await link(join(from, name), join(to, name));
  }
}
