import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdir, readFile, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startSshServer, userLands, type TestServer } from '../../test/ssh-server.ts';
import type { Communicator } from '../communicator/communicator.ts';
import { quote } from '../communicator/shell-quote.ts';
import { connectSsh } from '../communicator/ssh.ts';
import { interpreterOf } from './job-script.ts';
import { killJob, runJob, type JobRequest } from './job.ts';

describe.each(userLands)('runJob in the user land of %s', (land) => {
  let server: TestServer;
  let guest: Communicator;
  let count = 0;
  beforeEach(async () => {
    server = await startSshServer({ land });
    await chmod(server.directory, 0o755);
    guest = await connect();
  });
  afterEach(async () => {
    await guest[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
  });
  const connect = () =>
    connectSsh({
      host: '127.0.0.1',
      port: server.port,
      user: 'root',
      privateKey: server.login.privateKey,
      timeoutMs: 15_000,
    });
  const places = () => ({
    roots: [join(server.directory, 'nope'), server.directory],
    marks: join(server.directory, 'disk/marks'),
  });
  const job = (request: Omit<JobRequest, 'token'> & { token?: string }): JobRequest => ({
    token: `job-${count++}`,
    places: places(),
    ...request,
  });
  async function run(request: Omit<JobRequest, 'token'> & { token?: string }) {
    const seen: Buffer[] = [];
    const outcome = await runJob(guest, {
      ...job(request),
      onOutput(bytes) {
        seen.push(bytes);
        request.onOutput?.(bytes);
      },
    });
    return { ...outcome, output: Buffer.concat(seen) };
  }
  const file = (name: string) => join(server.directory, name);

  it('gives the exit code, and both outputs in their order', async () => {
    const { output, ...outcome } = await run({
      script: 'echo one; echo two >&2; echo three; exit 3',
    });
    expect(outcome).toEqual({ state: 'done', exitCode: 3 });
    expect(output.toString()).toBe('one\ntwo\nthree\n');
  });

  it('runs a job once, however often it is asked for, also at the same time', async () => {
    const request = { token: 'same', script: `echo ran >>${file('log')}; sleep 0.3; echo out` };
    const other = await connect();
    const results = await Promise.all([run(request), runJob(other, job(request)), run(request)]);
    results.push(await run(request));
    for (const result of results) expect(result).toMatchObject({ state: 'done', exitCode: 0 });
    expect(results.at(-1)).toMatchObject({ output: Buffer.from('out\n') });
    expect(await readFile(file('log'), 'utf8')).toBe('ran\n');
    await other[Symbol.asyncDispose]();
  });

  it('goes on when the connection breaks, and is found again at the byte that was seen last', async () => {
    const request = {
      token: 'broken',
      script: `echo ran >>${file('log')}; echo begin; while [ ! -e ${file('go')} ]; do sleep 0.05; done; echo end; exit 5`,
    };
    let position = 0;
    const running = run({
      ...request,
      onOutput(bytes) {
        position += bytes.length;
        server.cut();
      },
    });
    await expect(running).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(position).toBe('begin\n'.length);
    guest = await connect();
    const again = run({ ...request, from: position });
    await mkdir(file('go'));
    const { output, ...outcome } = await again;
    expect(outcome).toEqual({ state: 'done', exitCode: 5 });
    expect(output.toString()).toBe('end\n');
    expect(await readFile(file('log'), 'utf8')).toBe('ran\n');
  });

  it('starts nothing when the connection breaks before the whole job has arrived', async () => {
    const { startAndWait } = await import('./job-script.ts');
    const program = startAndWait(
      { token: 'half', script: `touch ${file('ran')}`, env: {}, runAs: undefined },
      places(),
    );
    for (const length of [program.length - 3, Math.floor(program.length / 2), 40])
      await guest.exec('sh -s', { stdin: program.slice(0, length) });
    await delay(50);
    expect(existsSync(file('ran'))).toBe(false);
    expect(existsSync(file('imgkit-jobs/half'))).toBe(false);
  });

  it('knows a job that a restart of the guest cut off, and does not run it a second time', async () => {
    const request = { token: 'rebooted', script: `echo ran >>${file('log')}` };
    await run(request);
    // What is in memory goes, what is on the disk stays.
    await rm(file('imgkit-jobs'), { recursive: true });
    expect(await run(request)).toMatchObject({ state: 'lost' });
    expect(await readFile(file('log'), 'utf8')).toBe('ran\n');
  });

  it('knows a job whose runner was killed', async () => {
    const running = run({
      token: 'killed',
      script: `ppid=$(sed 's/.*) . //; s/ .*//' /proc/$$/stat); kill -9 $ppid; sleep 0.1`,
    });
    expect(await running).toMatchObject({ state: 'lost' });
  });

  it('shows output as it comes, without gaps or doubles', async () => {
    const seen: string[] = [];
    const { promise: first, resolve } = Promise.withResolvers<void>();
    const running = run({
      script: `echo first; while [ ! -e ${file('go')} ]; do sleep 0.05; done; i=0; while [ $i -lt 500 ]; do echo "line $i"; i=$((i+1)); done`,
      onOutput(bytes) {
        seen.push(bytes.toString());
        resolve();
      },
    });
    await first;
    await mkdir(file('go'));
    await running;
    expect(seen.join('')).toBe(
      ['first', ...Array.from({ length: 500 }, (_, i) => `line ${i}`), ''].join('\n'),
    );
  });

  it('gives all of an output that is longer than what comes with the end', async () => {
    const { output } = await run({
      script: 'i=0; while [ $i -lt 30000 ]; do echo "line $i"; i=$((i+1)); done',
    });
    expect(output.toString()).toBe(
      `${Array.from({ length: 30_000 }, (_, i) => `line ${i}`).join('\n')}\n`,
    );
  });

  it('hands script and variables over unchanged, whatever they hold', async () => {
    const odd = `'"$HOME\`id\` \\ \t äöü 🙂 %s \u0081\u0088 ${String.fromCodePoint(...Array.from({ length: 126 }, (_, i) => i + 1))} end`;
    const { output } = await run({
      script: `printf %s "$ODD"; printf '\\n%s' ${quote(odd)}`,
      env: { ODD: odd },
    });
    expect(output.toString()).toBe(`${odd}\n${odd}`);
  });

  it('takes a long script', async () => {
    const { output } = await run({ script: `${'# a comment line\n'.repeat(20_000)}echo long` });
    expect(output.toString()).toBe('long\n');
  });

  it('uses the interpreter that the script names', async () => {
    const awk = await guest.exec('command -v awk');
    expect(
      (
        await run({ script: `#!${awk.stdout.trim()} -f\nBEGIN { print "from awk" }\n` })
      ).output.toString(),
    ).toBe('from awk\n');
    expect(await run({ script: '#!/does/not/exist\n' })).toMatchObject({ exitCode: 127 });
  });

  it('keeps variables out of command lines and leaves no file with them', async () => {
    const { output } = await run({
      script: 'cat /proc/[0-9]*/cmdline 2>/dev/null | tr "\\0" " "; echo; echo "has $PASSWORD"',
      env: { PASSWORD: 'correct-horse-battery' },
    });
    expect(output.toString().match(/correct-horse-battery/gu)).toHaveLength(1);
    const left = spawnSync('grep', [
      '-rl',
      'correct-horse-battery',
      file('imgkit-jobs'),
      file('disk'),
    ]).stdout.toString();
    expect(left.split('\n').filter((name) => name !== '' && !name.endsWith('/output'))).toEqual([]);
  });

  it('is over when the script is, though a daemon of its goes on', async () => {
    const { output } = await run({ script: `sleep 30 & echo $! >${file('daemon')}; echo done` });
    expect(output.toString()).toBe('done\n');
    process.kill(Number(await readFile(file('daemon'), 'utf8')));
  });

  it('ends a job with all that it started', async () => {
    // Numbers that no other run of this test has.
    const [one, other] = [`61${process.pid}`, `62${process.pid}`];
    const script = `trap '' TERM; (trap '' TERM; setsid sleep ${one}) & sleep ${other} & echo ready; wait`;
    const { promise: ready, resolve } = Promise.withResolvers<void>();
    const running = run({ token: 'endless', script, onOutput: () => resolve() });
    await ready;
    await killJob(guest, 'endless', { graceMs: 500, places: places() });
    expect(await running).toMatchObject({ state: 'done', exitCode: 137 });
    // What is killed may take a moment to be gone.
    const left = () => spawnSync('pgrep', ['-f', `^sleep (${one}|${other})$`]).stdout.toString();
    await expect.poll(left, { timeout: 10_000 }).toBe('');
  });

  it('asks a job to end before it kills it', async () => {
    const { promise: ready, resolve } = Promise.withResolvers<void>();
    const running = run({
      token: 'polite',
      script: `trap 'echo bye; exit 9' TERM; echo ready; while :; do sleep 0.05; done`,
      onOutput: () => resolve(),
    });
    await ready;
    await killJob(guest, 'polite', { graceMs: 60_000, places: places() });
    const { output, ...outcome } = await running;
    expect(outcome).toEqual({ state: 'done', exitCode: 9 });
    // The shell may tell of the `sleep` that the signal ended too.
    expect(output.toString()).toMatch(/^ready\n(Terminated\n)?bye\n$/u);
  });

  it.skipIf(process.getuid?.() !== 0)(
    'runs as another user, who can read only what is for it',
    async () => {
      const { output, ...outcome } = await run({
        script: `id -un; echo "$SECRET"; ls ${server.directory}/imgkit-jobs 2>&1 | grep -c -i denied`,
        env: { SECRET: 'for nobody', PATH: process.env['PATH'] ?? '' },
        runAs: 'nobody',
      });
      expect(output.toString()).toBe('nobody\nfor nobody\n1\n');
      expect(outcome).toEqual({ state: 'done', exitCode: 0 });
      const directory =
        (await readdir(file('imgkit-jobs'))).find((name) => name.includes('.')) ?? '';
      expect(await readFile(join(file('imgkit-jobs'), directory, 'work'), 'utf8')).toBe('');
    },
  );

  it('says so when the guest has no place for jobs', async () => {
    await expect(
      run({ script: 'true', places: { roots: ['/does/not/exist'], marks: '/x' } }),
    ).rejects.toMatchObject({ code: 'FAILED_PRECONDITION' });
    expect(existsSync('/x')).toBe(false);
  });
});

it('interpreterOf reads the first line only', () => {
  expect(
    [
      'echo',
      '#!/bin/bash',
      '#! /usr/bin/env -S python3 -u\nx',
      '#!/bin/sh -e\r\nx',
      '\n#!/bin/bash',
    ].map(interpreterOf),
  ).toEqual([['sh'], ['/bin/bash'], ['/usr/bin/env', '-S python3 -u'], ['/bin/sh', '-e'], ['sh']]);
});
