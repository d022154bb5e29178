import { spawnSync } from 'node:child_process';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { bootsKernel, bootsSector, decideAccelerator, kvmObstacle } from './accelerator.ts';

let directory: string;
const file = (name: string): string => join(directory, name);

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'imgkit-accelerator-'));
  await writeFile(file('kvm'), '');
  await writeFile(file('cpuinfo'), 'processor\t: 0\nflags\t\t: fpu svm sse\n');
  await writeFile(file('kernel'), 'x');
});

afterEach(() => rm(directory, { recursive: true, force: true }));

/** A program that behaves as QEMU does when it is asked for its version, or to boot a kernel. */
async function fakeQemu(boot: string): Promise<string> {
  const script = `#!/bin/sh
case $1 in --version) echo 'QEMU emulator version 9.1.2 (fake)'; exit;; esac
echo run >> ${file('runs')}
for word; do case $word in file:*) console=\${word#file:};; esac; done
${boot}
`;
  await writeFile(file('qemu'), script);
  await chmod(file('qemu'), 0o755);
  return file('qemu');
}

const works = 'echo \'VFS: Unable to mount root fs on unknown-block(0,0)\' > "$console"';

function question(binary: string) {
  const host = { device: file('kvm'), cpuinfo: file('cpuinfo') };
  return { binary, cacheFile: file('cache.json'), kernel: file('kernel'), host };
}

describe.skipIf(process.arch !== 'x64')('decideAccelerator', () => {
  it('takes KVM once a kernel booted with it, and asks only once', async () => {
    const asked = question(await fakeQemu(works));
    expect(await decideAccelerator(asked)).toMatchObject({ accelerator: 'kvm' });
    expect(await decideAccelerator(asked)).toMatchObject({ accelerator: 'kvm' });
    expect(await readFile(file('runs'), 'utf8')).toBe('run\n');
  });

  it('takes TCG when firmware runs but no kernel gets through its boot', async () => {
    const asked = question(await fakeQemu('echo \'SeaBIOS (version 1.16)\' > "$console"; exit 1'));
    expect(await decideAccelerator(asked)).toMatchObject({ accelerator: 'tcg' });
    const cache: Record<string, unknown> = JSON.parse(await readFile(file('cache.json'), 'utf8'));
    expect(Object.keys(cache)).toEqual([expect.stringContaining('9.1.2')]);
  });

  it('probes again when what it remembers is damaged', async () => {
    await writeFile(file('cache.json'), '{ half');
    expect(await decideAccelerator(question(await fakeQemu(works)))).toMatchObject({
      accelerator: 'kvm',
    });
  });

  it('does what it is told without a probe', async () => {
    const asked = { ...question('/nowhere/qemu'), override: 'kvm' } as const;
    expect(await decideAccelerator(asked)).toMatchObject({ accelerator: 'kvm' });
  });

  it.each([
    ['the processor has none', 'flags\t\t: fpu sse hypervisor\n', true, 'offers no virtualization'],
    ['there is no device', 'flags\t\t: fpu vmx\n', false, 'does not exist'],
  ])('takes TCG without a probe when %s', async (_name, cpuinfo, device, reason) => {
    await writeFile(file('cpuinfo'), cpuinfo);
    if (!device) await rm(file('kvm'));
    expect(await kvmObstacle(question('').host)).toContain(reason);
    expect(await decideAccelerator(question('/nowhere/qemu'))).toMatchObject({
      accelerator: 'tcg',
    });
  });
});

const hasQemu = spawnSync('qemu-system-x86_64', ['--version']).status === 0;
if (!hasQemu) console.log('skipped: booting a sector, for which there is no qemu-system-x86_64');

describe('bootsSector', () => {
  it.skipIf(!hasQemu)('sees that a guest ran', async () => {
    expect(await bootsSector('qemu-system-x86_64', 'tcg')).toBe(true);
  });

  it('is not fooled by a QEMU that just ends', async () => {
    for (const code of [0, 1]) {
      expect(await bootsSector(await fakeQemu(`exit ${code}`), 'tcg')).toBe(false);
    }
  });
});

describe('bootsKernel', () => {
  it('gives a guest that hangs no longer than the deadline', async () => {
    // It would hang for longer than this test may take.
    const binary = await fakeQemu('exec sleep 60');
    expect(await bootsKernel(binary, 'tcg', file('kernel'), { timeoutMs: 100 })).toBe(false);
  });

  it('fails with CANCELLED when it is aborted, and with a hint when there is no QEMU', async () => {
    const binary = await fakeQemu('exec sleep 60');
    const signal = AbortSignal.timeout(50);
    await expect(bootsKernel(binary, 'tcg', file('kernel'), { signal })).rejects.toMatchObject({
      code: 'CANCELLED',
    });
    await expect(bootsKernel('/nowhere/qemu', 'tcg', file('kernel'))).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
    });
  });
});
