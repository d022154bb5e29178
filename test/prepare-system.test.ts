import { spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import {
  isStaticProgram,
  prepareSystem,
  requirements,
  testRequirements,
} from '../scripts/prepare-system.mjs';
import { root } from './support/repository.ts';

const script = join(root, 'scripts/prepare-system.mjs');

/** A machine that has everything but `missing`, and whose apt-get brings it when it `works`. */
function machine(
  missing: readonly string[],
  { isRoot = true, hasApt = true, isDebian12 = true, works = true }: Record<string, boolean> = {},
) {
  const absent = new Set(missing);
  const commands: string[] = [];
  const lines: string[] = [];
  return {
    commands,
    lines,
    isRoot,
    hasApt,
    isDebian12,
    hasCommand: (name: string) => !absent.has(name),
    hasFile: (path: string) => !absent.has(path),
    isStatic: (path: string) => !absent.has(path),
    print: (line: string) => void lines.push(line),
    run: (command: string, args: readonly string[]) => {
      commands.push([command, ...args].join(' '));
      if (!works) return 100;
      if (args.includes('install')) absent.clear();
      return 0;
    },
  };
}

/** The start of a 64-bit ELF file with one program header of `type`. */
function elf(type: number): Buffer {
  const bytes = Buffer.alloc(64 + 56);
  bytes.writeUInt32BE(0x7f454c46, 0);
  bytes[4] = 2;
  bytes.writeBigUInt64LE(64n, 32);
  bytes.writeUInt16LE(56, 54);
  bytes.writeUInt16LE(1, 56);
  bytes.writeUInt32LE(type, 64);
  return bytes;
}

describe('prepare-system', () => {
  it('does and says nothing when nothing is missing', () => {
    const system = machine([]);
    expect(prepareSystem([], system)).toBe(0);
    expect(system.commands).toEqual([]);
    expect(system.lines).toEqual([]);
  });

  it('installs only what is missing, each package once, and says so first', () => {
    const system = machine(['qemu-img', 'dropbear', 'dropbearconvert']);
    let saidBefore = '';
    const run = system.run;
    system.run = (command, args) => {
      if (system.commands.length === 0) saidBefore = system.lines.join('\n');
      return run(command, args);
    };
    expect(prepareSystem([], system)).toBe(0);
    expect(saidBefore).toContain('Installing qemu-utils dropbear-bin with apt-get');
    expect(saidBefore).toContain('qemu-img  (creates and converts disk images)');
    expect(system.commands).toEqual([
      expect.stringMatching(/^apt-get .*update/),
      expect.stringMatching(
        /^apt-get .*install -y -q --no-install-recommends qemu-utils dropbear-bin$/,
      ),
    ]);
  });

  it.each(requirements.map((requirement) => [requirement.name, requirement] as const))(
    'notices that %s is missing',
    (name, requirement) => {
      const system = machine([name.replace('static ', '')], { isRoot: false });
      expect(prepareSystem([], system)).toBe(1);
      expect(system.lines.at(-1)).toBe(
        `  sudo apt-get update && sudo apt-get install -y --no-install-recommends ${requirement.debianPackage}`,
      );
    },
  );

  it.each(testRequirements.map((requirement) => [requirement.name, requirement] as const))(
    'asks for %s only for the tests',
    (name, { debianPackage }) => {
      expect(prepareSystem([], machine([name]))).toBe(0);
      const system = machine([name]);
      expect(prepareSystem(['--tests'], system)).toBe(0);
      expect(system.commands.at(-1)).toMatch(new RegExp(` ${debianPackage}$`));
    },
  );

  it.each([{ isDebian12: false }, { isRoot: false }])(
    'needs no OpenStack where the tests cannot start one: %o',
    (kind) => {
      const system = machine(['/usr/bin/gunicorn'], kind);
      expect(prepareSystem(['--tests'], system)).toBe(0);
      expect(system.commands).toEqual([]);
    },
  );

  it('needs newuidmap only without root', () => {
    expect(prepareSystem([], machine(['newuidmap']))).toBe(0);
    expect(prepareSystem([], machine(['newuidmap'], { isRoot: false }))).toBe(1);
  });

  it('prints the line to type and installs nothing without the right to', () => {
    const system = machine(['mmdebstrap'], { isRoot: false });
    expect(prepareSystem([], system)).toBe(1);
    expect(system.commands).toEqual([]);
  });

  it('names the packages and installs nothing on another system', () => {
    const system = machine(['mmdebstrap'], { hasApt: false });
    expect(prepareSystem([], system)).toBe(1);
    expect(system.commands).toEqual([]);
    expect(system.lines.at(-1)).toBe('  mmdebstrap');
  });

  it('only looks with --check', () => {
    const system = machine(['qemu-img']);
    expect(prepareSystem(['--check'], system)).toBe(1);
    expect(system.commands).toEqual([]);
    expect(prepareSystem(['--check'], machine([]))).toBe(0);
  });

  it('fails, and says what is still missing, when apt-get does not bring it', () => {
    const system = machine(['mke2fs'], { works: false });
    expect(prepareSystem([], system)).toBe(1);
    expect(system.lines.join('\n')).toContain('did not bring mke2fs');
  });

  it('refuses an option it does not know', () => {
    const system = machine([]);
    expect(prepareSystem(['--chek'], system)).toBe(2);
    expect(system.lines.join('\n')).toContain('unknown option --chek');
  });

  it('runs as a program, on an empty PATH too', () => {
    const help = spawnSync(process.execPath, [script, '--help'], { encoding: 'utf8' });
    expect(help).toMatchObject({ status: 0, stdout: expect.stringContaining('usage:') });
    const check = spawnSync(process.execPath, [script, '--check'], {
      encoding: 'utf8',
      env: { PATH: '' },
    });
    expect(check).toMatchObject({ status: 1, stdout: expect.stringContaining('qemu-img') });
  });
});

describe('isStaticProgram', () => {
  it.each([
    ['a static program', elf(1), true],
    ['a program with a dynamic loader', elf(3), false],
    ['a script', Buffer.from('#!/bin/sh\n'), false],
    ['an empty file', Buffer.alloc(0), false],
  ])('tells %s', async (_, bytes, expected) => {
    const directory = await mkdtemp(join(tmpdir(), 'imgkit-elf-'));
    onTestFinished(() => rm(directory, { recursive: true }));
    const path = join(directory, 'program');
    await writeFile(path, bytes);
    expect(isStaticProgram(path)).toBe(expected);
  });

  it('is false for a file that does not exist', () => {
    expect(isStaticProgram(join(root, 'no-such-file'))).toBe(false);
  });
});
