import { randomInt } from 'node:crypto';
import { connect } from 'node:net';

import { ImgkitError } from '@imgkit/core';
import { z } from 'zod';

import { machineFiles } from './command-line.ts';
import type { Machine, MachineCallOptions } from './machine.ts';
import { withSocketPath } from './socket-path.ts';

const answerSchema = z.object({
  return: z.unknown().optional(),
  error: z.object({ desc: z.string() }).optional(),
});

const syncTimeoutMs = 3000;
const freezeTimeoutMs = 20_000;

/**
 * Runs `body` while the guest's file systems are frozen: all that was written is on the disks, and
 * nothing more is written. `body` is to be short.
 *
 * @returns Whether the guest was frozen: one without a running qemu-guest-agent can't be.
 * @throws `FAILED_PRECONDITION` when it isn't frozen and `required`; `body` is not run then.
 */
export async function withFrozenGuest(
  machine: Machine,
  required: boolean,
  body: () => Promise<void>,
  options: MachineCallOptions & { readonly syncTimeoutMs?: number | undefined } = {},
): Promise<boolean> {
  const agent = machine.configuration.guestAgent
    ? await openAgent(machine.directory, options)
    : undefined;
  if (agent === undefined) {
    if (required) {
      throw new ImgkitError(
        'FAILED_PRECONDITION',
        `the guest of ${machine.configuration.name} can't be asked to flush`,
        {
          resource: machine.directory,
          hint: 'Install and start qemu-guest-agent in the guest, or stop the machine first.',
        },
      );
    }
    await body();
    return false;
  }
  try {
    // A program that died in between may have left it frozen: that would be an error now.
    await agent.ask('guest-fsfreeze-thaw', freezeTimeoutMs);
    try {
      await agent.ask('guest-fsfreeze-freeze', freezeTimeoutMs);
      await body();
    } finally {
      await agent.ask('guest-fsfreeze-thaw', freezeTimeoutMs);
    }
    return true;
  } finally {
    agent.close();
  }
}

interface Agent {
  ask(command: string, timeoutMs: number): Promise<unknown>;
  close(): void;
}

/** Connects to the guest's agent; gives nothing when none answers. */
async function openAgent(
  directory: string,
  options: { readonly syncTimeoutMs?: number | undefined },
): Promise<Agent | undefined> {
  const socket = await withSocketPath(directory, machineFiles.agent, async (path) => {
    const opened = connect(path);
    const failed = new Promise<undefined>((resolve) =>
      opened.once('error', () => resolve(undefined)),
    );
    return await Promise.race([
      failed,
      new Promise<typeof opened>((resolve) => opened.once('connect', () => resolve(opened))),
    ]);
  });
  if (socket === undefined) return undefined;
  socket.on('error', () => {});
  let rest = '';
  let heard: ((answer: z.infer<typeof answerSchema>) => boolean) | undefined;
  socket.setEncoding('utf8').on('data', (chunk) => {
    const lines = (rest + String(chunk)).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      try {
        const answer = answerSchema.parse(JSON.parse(line.replaceAll('\u00ff', '').trim()));
        if (heard?.(answer) === true) heard = undefined;
      } catch {
        // What an earlier caller did not wait for.
      }
    }
  });
  const send = async (
    message: object,
    timeoutMs: number,
    isAnswer: (value: unknown) => boolean,
  ) => {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    heard = ({ return: value, error }) => {
      if (error !== undefined)
        reject(new ImgkitError('OPERATION_FAILED', `the guest's agent refused: ${error.desc}`));
      else if (isAnswer(value)) resolve(value);
      else return false;
      return true;
    };
    const timer = setTimeout(
      () => reject(new ImgkitError('TIMEOUT', "the guest's agent gave no answer in time")),
      timeoutMs,
    );
    socket.write(`${JSON.stringify(message)}\n`);
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      heard = undefined;
    }
  };
  const agent: Agent = {
    ask: (command, timeoutMs) => send({ execute: command }, timeoutMs, () => true),
    close: () => socket.destroy(),
  };
  try {
    const id = randomInt(2 ** 31);
    const sync = { execute: 'guest-sync', arguments: { id } };
    await send(sync, options.syncTimeoutMs ?? syncTimeoutMs, (value) => value === id);
    return agent;
  } catch {
    agent.close();
    return undefined;
  }
}
