import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { commandLine, layout, machineFiles } from './command-line.ts';
import { readConfiguration, writeConfiguration } from './configuration.ts';
import { consoleTail } from './console.ts';
import { launchFailure } from './launch-failure.ts';
import { Machine } from './machine.ts';
import { forwardedPorts } from './run-state.ts';
import { testConfiguration } from './test-configuration.ts';
import { findProcess, isMachine } from './process-proof.ts';

let directory: string;
let child: ChildProcess | undefined;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'imgkit-machine-'));
});

afterEach(async () => {
  child?.kill('SIGKILL');
  child = undefined;
  await rm(directory, { recursive: true, force: true });
});

/** A process whose command line has the uuid where QEMU's has it. */
async function impostor(uuid: string): Promise<number> {
  const program = 'process.stdout.write("x"); setInterval(() => {}, 1000)';
  child = spawn(process.execPath, ['-e', program, '--', '-uuid', uuid], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  if (child.stdout !== null) await once(child.stdout, 'data');
  return child.pid ?? 0;
}

async function script(body: string): Promise<string> {
  const path = join(directory, 'fake-qemu');
  await writeFile(path, `#!/bin/sh\n${body}\n`, { mode: 0o755 });
  return path;
}

describe('commandLine', () => {
  it('lets nothing listen but on loopback and in the own directory', () => {
    const words = commandLine(testConfiguration());
    expect(words).toContain('-nodefaults');
    expect(words).toContain('-no-user-config');
    expect(words[words.indexOf('-display') + 1]).toBe('none');
    expect(words[words.indexOf('-qmp') + 1]).toBe('unix:qmp.sock,server=on,wait=off');
    const network = words[words.indexOf('-netdev') + 1];
    expect(network).toBe('user,id=net,hostfwd=tcp:127.0.0.1:0-:22,hostfwd=tcp:127.0.0.1:8080-:80');
    expect(words.join(' ')).not.toMatch(/-vnc|-monitor|-gdb|telnet|tcp:(?!127\.0\.0\.1:)/);
  });

  it('forwards no port to a machine that has not its new identity yet', () => {
    const words = commandLine(testConfiguration({ resume: { nonce: 'n' } }));
    expect(words.join(' ')).not.toContain('hostfwd');
    expect(words).toContain('-incoming');
  });

  it('keeps commas in names from becoming options', () => {
    const words = commandLine(testConfiguration({ name: 'a,debug-threads=on' }));
    expect(words[words.indexOf('-name') + 1]).toBe('guest=a,,debug-threads=on');
  });

  it('ignores a guest that wants its data on the disk only for machines that are thrown away', () => {
    expect(commandLine(testConfiguration()).join(' ')).toContain('"no-flush":false');
    expect(commandLine(testConfiguration({ cache: 'unsafe' })).join(' ')).not.toContain(
      '"no-flush":false',
    );
  });

  it('cuts an isolated machine off', () => {
    expect(commandLine(testConfiguration({ isolated: true })).join(' ')).toContain('restrict=on');
  });
});

describe('layout', () => {
  it('is the same for machines that a state can be moved between, and differs for others', () => {
    const one = layout(testConfiguration());
    const moved = testConfiguration({ name: 'other', forwards: [], cache: 'unsafe' });
    const [disk] = moved.disks;
    if (disk === undefined) throw new Error('no disk');
    expect(
      layout({ ...moved, disks: [{ ...disk, file: 'disk-0.3.qcow2' }], resume: { nonce: 'n' } }),
    ).toBe(one);
    for (const change of [
      { memoryMiB: 1024 },
      { cpus: 1 },
      { cpuModel: 'max' },
      { accelerator: 'kvm' as const },
    ]) {
      expect(layout(testConfiguration(change))).not.toBe(one);
    }
    expect(layout(testConfiguration({ disks: [disk, disk] }))).not.toBe(one);
  });
});

describe('the configuration', () => {
  it('comes back as it was written, and is missing before that', async () => {
    expect(await readConfiguration(directory)).toBeUndefined();
    const written = testConfiguration();
    await writeConfiguration(directory, written);
    expect(await readConfiguration(directory)).toEqual(written);
  });

  it('is refused when somebody damaged it', async () => {
    await writeFile(join(directory, 'machine.json'), '{"version":2}');
    await expect(readConfiguration(directory)).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
    });
  });
});

describe('findProcess', () => {
  it('takes a process only when its command line proves it ours', async () => {
    const uuid = randomUUID();
    const pid = await impostor(uuid);
    await writeFile(join(directory, machineFiles.pid), `${pid}\n`);
    expect(await findProcess(directory, uuid)).toBe(pid);
    expect(await findProcess(directory, randomUUID())).toBeUndefined();
    expect(await isMachine(process.pid, uuid)).toBe(false);
  });

  it.skipIf(process.platform !== 'linux')(
    'finds one that died before it told its number',
    async () => {
      const uuid = randomUUID();
      const pid = await impostor(uuid);
      expect(await findProcess(directory, uuid)).toBeUndefined();
      expect(await findProcess(directory, uuid, { thorough: true })).toBe(pid);
    },
  );

  it('does not take an ended process for a running one', async () => {
    const uuid = randomUUID();
    const pid = await impostor(uuid);
    await writeFile(join(directory, machineFiles.pid), `${pid}\n`);
    const running = child;
    if (running === undefined) throw new Error('no child');
    running.kill('SIGKILL');
    await once(running, 'exit');
    expect(await findProcess(directory, uuid, { thorough: true })).toBeUndefined();
  });
});

describe('Machine', () => {
  it('reports the line with which QEMU gives up, as what the caller can do about it', async () => {
    await writeConfiguration(
      directory,
      testConfiguration({
        binary: await script(
          "echo 'qemu-system-x86_64: Could not open disk-0.qcow2: No such file or directory' >&2; exit 1",
        ),
      }),
    );
    const machine = await Machine.find(directory);
    await expect(machine?.start()).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      message: expect.stringContaining('Could not open disk-0.qcow2'),
    });
  });

  it('says how to install a QEMU that is not there', async () => {
    await writeConfiguration(directory, testConfiguration({ binary: 'qemu-system-nowhere' }));
    const machine = await Machine.find(directory);
    await expect(machine?.start()).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      hint: expect.stringContaining('Install'),
    });
  });

  it('leaves no process when starting it is aborted', async () => {
    // It hangs without a process of its own, which would have the same command line for a moment.
    spawnSync('mkfifo', [join(directory, 'silence')]);
    const shown = testConfiguration({ binary: await script('read line <>silence') });
    await writeConfiguration(directory, shown);
    const machine = await Machine.find(directory);
    await expect(machine?.start({ signal: AbortSignal.timeout(80) })).rejects.toMatchObject({
      code: 'CANCELLED',
    });
    expect(await findProcess(directory, shown.uuid, { thorough: true })).toBeUndefined();
  });

  it('never stops a process that is not proved to be its own', async () => {
    const pid = await impostor(randomUUID());
    await writeFile(join(directory, machineFiles.pid), `${pid}\n`);
    await writeConfiguration(directory, testConfiguration());
    const machine = await Machine.find(directory);
    await machine?.stop({ graceMs: 0 });
    expect(child?.exitCode).toBeNull();
    expect(child?.signalCode).toBeNull();
  });

  it('stops one that does not listen by force', async () => {
    const shown = testConfiguration();
    await writeConfiguration(directory, shown);
    const pid = await impostor(shown.uuid);
    await writeFile(join(directory, machineFiles.pid), `${pid}\n`);
    const machine = await Machine.find(directory);
    await machine?.stop({ graceMs: 0 });
    expect(await isMachine(pid, shown.uuid)).toBe(false);
  });
});

describe('launchFailure', () => {
  it.each([
    [
      'qemu: -blockdev {}: Failed to get "write" lock\nIs another process using the image [disk-0.qcow2]?',
      'IN_USE',
    ],
    ['qemu: cannot lock pid file: Resource temporarily unavailable', 'IN_USE'],
    [
      "qemu: -netdev user: Could not set up host forwarding rule 'tcp:127.0.0.1:80-:80'",
      'UNAVAILABLE',
    ],
    ['Could not access KVM kernel module: Permission denied', 'FAILED_PRECONDITION'],
    ["qemu: cannot set up guest memory 'pc.ram': Cannot allocate memory", 'QUOTA_EXCEEDED'],
    ['something new', 'OPERATION_FAILED'],
  ])('tells %j as %s', (log, code) => {
    expect(launchFailure('qemu', log, '/m').code).toBe(code);
  });
});

describe('forwardedPorts', () => {
  it('reads which host port leads to each port of the guest', () => {
    const text =
      'Hub -1 (net):\r\n  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ\r\n' +
      '  TCP[ESTABLISHED]   14       127.0.0.1 43395       10.0.2.15    22     0     0\r\n' +
      '  TCP[HOST_FORWARD]  13       127.0.0.1 43395       10.0.2.15    22     0     0\r\n' +
      '  TCP[HOST_FORWARD]  12       127.0.0.1 40001       10.0.2.15    80     0     0\r\n';
    expect(forwardedPorts(text)).toEqual({ 22: 43_395, 80: 40_001 });
  });
});

describe('consoleTail', () => {
  it('gives the end, from the beginning of a line', async () => {
    expect(await consoleTail(directory)).toBe('');
    await writeFile(join(directory, machineFiles.console), 'first line\r\nsecond\r\nthird\r\n');
    expect(await consoleTail(directory)).toBe('first line\nsecond\nthird\n');
    expect(await consoleTail(directory, 14)).toBe('third\n');
  });
});
