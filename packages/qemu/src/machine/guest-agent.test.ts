import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { machineFiles } from './command-line.ts';
import { writeConfiguration } from './configuration.ts';
import { withFrozenGuest } from './guest-agent.ts';
import { Machine } from './machine.ts';
import { testConfiguration } from './test-configuration.ts';

let directory: string;
let server: Server | undefined;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'imgkit-agent-'));
});

afterEach(async () => {
  server?.close();
  server = undefined;
  await rm(directory, { recursive: true, force: true });
});

async function machine(guestAgent = true): Promise<Machine> {
  await writeConfiguration(directory, testConfiguration({ guestAgent }));
  const found = await Machine.find(directory);
  if (found === undefined) throw new Error('no machine');
  return found;
}

/** An agent that writes down what it is asked. */
async function listen(
  log: string[],
  answer = (id: unknown): unknown => ({ return: id ?? 1 }),
): Promise<void> {
  server = createServer((socket) => {
    socket.on('error', () => {});
    socket.write('{"return": "left over from somebody else"}\n');
    socket.setEncoding('utf8').on('data', (text) => {
      const message: { execute: string; arguments?: { id: number } } = JSON.parse(String(text));
      log.push(message.execute);
      socket.write(`${JSON.stringify(answer(message.arguments?.id))}\n`);
    });
  });
  const listening = server;
  await new Promise<void>((resolve) =>
    listening.listen(join(directory, machineFiles.agent), resolve),
  );
}

describe('withFrozenGuest', () => {
  it('freezes, runs the body, and thaws, also when the body fails', async () => {
    const log: string[] = [];
    await listen(log);
    const body = async (): Promise<void> => {
      log.push('body');
    };
    expect(await withFrozenGuest(await machine(), true, body)).toBe(true);
    expect(log.slice(1)).toEqual([
      'guest-fsfreeze-thaw',
      'guest-fsfreeze-freeze',
      'body',
      'guest-fsfreeze-thaw',
    ]);
    const failing = withFrozenGuest(await machine(), true, async () => {
      throw new Error('disk is full');
    });
    await expect(failing).rejects.toThrow('disk is full');
    expect(log.at(-1)).toBe('guest-fsfreeze-thaw');
  });

  it('does without an agent when it may, and refuses when it must have one', async () => {
    let ran = 0;
    const body = async (): Promise<void> => {
      ran += 1;
    };
    expect(await withFrozenGuest(await machine(false), false, body)).toBe(false);
    expect(ran).toBe(1);
    await expect(withFrozenGuest(await machine(false), true, body)).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
    });
    await listen([], () => ({}));
    const mute = { syncTimeoutMs: 50 };
    await expect(withFrozenGuest(await machine(), true, body, mute)).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
    });
    expect(ran).toBe(1);
  });

  it('does not run the body of a guest that will not freeze', async () => {
    const log: string[] = [];
    await listen(log, (id) =>
      id === undefined && log.length === 3 ? { error: { desc: 'not now' } } : { return: id ?? 0 },
    );
    const body = async (): Promise<void> => {
      log.push('body');
    };
    await expect(withFrozenGuest(await machine(), true, body)).rejects.toThrow('not now');
    expect(log).not.toContain('body');
  });
});
