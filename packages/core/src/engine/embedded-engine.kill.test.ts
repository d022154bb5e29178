import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { seeded } from '../testing/engine-conformance-context.ts';
import { madeIn } from './embedded-engine.kill.cloud.ts';

// Real processes, really killed: what a simulated crash can't show is that SQLite's file stands it, and that a dead process is known as one.

const program = fileURLToPath(new URL('embedded-engine.kill.program.ts', import.meta.url));
let directory = '';
let cloud = '';

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'imgkit-kill-'));
  cloud = join(directory, 'cloud');
  mkdirSync(cloud);
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

function launch(id: string) {
  const flags = ['--no-warnings', '--experimental-strip-types', '--conditions=@imgkit/source'];
  const child = spawn(
    process.execPath,
    [...flags, program, join(directory, 'journal'), cloud, id],
    {
      // What is compiled once need not be compiled by the next ones.
      env: { ...process.env, NODE_COMPILE_CACHE: join(directory, 'modules') },
    },
  );
  let output = '';
  let errors = '';
  const started = Promise.withResolvers<void>();
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
    if (output.includes('started')) started.resolve();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    errors += chunk.toString();
  });
  const result = Promise.withResolvers<string | undefined>();
  child.on('close', (code, signal) => {
    if (code === 0) result.resolve(/^result (.*)$/m.exec(output)?.[1]);
    else if (signal === 'SIGKILL') result.resolve(undefined);
    else result.reject(new Error(`the program ended with ${code ?? signal}: ${errors}`));
    started.resolve();
  });
  return { started: started.promise, result: result.promise, kill: () => child.kill('SIGKILL') };
}

const order = ['one', 'two', 'three'];
const steps = () => readFileSync(join(cloud, 'steps.log'), 'utf8').trim().split('\n');
const all = ['disk', 'image-a', 'image-b', 'image-c', 'vm-a', 'vm-b', 'vm-c'];
const whole = JSON.stringify({ images: 3, left: ['image-a', 'image-b', 'image-c'] });

describe('embeddedEngine in processes that are killed', () => {
  it('carries runs through 20 kills at random moments, makes each thing once and leaves nothing', async () => {
    const random = seeded(3);
    let kills = 0;
    for (let round = 1; kills < 20; round += 1) {
      let result: string | undefined;
      while (result === undefined) {
        const victim = launch(`run-${round}`);
        await victim.started;
        const patience = kills < 20 ? Math.floor(random() * 70) : 60_000;
        const enough = new AbortController();
        delay(patience, undefined, { signal: enough.signal }).then(victim.kill, () => undefined);
        result = await victim.result;
        enough.abort();
        if (result === undefined) kills += 1;
      }
      expect(result).toBe(whole);
      expect(madeIn(cloud)).toEqual(all);
      // A step may be cut off and begin again, but once the next one began, it was recorded.
      expect([...new Set(steps())]).toEqual(order);
      expect(steps()).toEqual(steps().toSorted((a, b) => order.indexOf(a) - order.indexOf(b)));
      rmSync(cloud, { recursive: true });
      mkdirSync(cloud);
    }
    expect(kills).toBeGreaterThanOrEqual(20);
  }, 240_000);

  it('lets two processes work on one run, and one go on when the other is killed', async () => {
    const [a, b] = [launch('shared'), launch('shared')];
    await Promise.all([a.started, b.started]);
    a.kill();
    const results = await Promise.all([a.result, b.result]);
    expect(results.filter((result) => result !== undefined)).toContain(whole);
    expect(results[1]).toBe(whole);
    expect(madeIn(cloud)).toEqual(all);
  }, 60_000);
});
