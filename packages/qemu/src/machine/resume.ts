import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';

import { ImgkitError } from '@imgkit/core';

import { forward, machineFiles } from './command-line.ts';
import { writeConfiguration } from './configuration.ts';
import { consoleTail } from './console.ts';
import { Machine, type MachineCallOptions } from './machine.ts';
import { runState } from './run-state.ts';
import { pollUntil } from './waiting.ts';

const loadTimeoutMs = 60_000;
const identityTimeoutMs = 45_000;

/**
 * Starts a machine from the saved state that lies in its directory, and is done when the guest has
 * its new identity. Until then no port leads to it.
 *
 * @throws When the state can't be resumed; the machine is stopped then, and of no further use.
 */
export async function resumeMachine(
  directory: string,
  options: MachineCallOptions = {},
): Promise<void> {
  const machine = await Machine.find(directory);
  const resume = machine?.configuration.resume;
  if (machine === undefined || resume === undefined) {
    throw new ImgkitError('FAILED_PRECONDITION', `${directory} holds no machine to be resumed`);
  }
  try {
    await machine.start(options);
    await using client = await machine.connect(options);
    await pollUntil(async () => ((await runState(client)) === 'inmigrate' ? undefined : true), {
      ...options,
      everyMs: 20,
      timeoutMs: loadTimeoutMs,
      doing: 'resuming a machine',
      onTimeout: () =>
        new ImgkitError('TIMEOUT', 'the saved memory of a machine was not read in time'),
    });
    if ((await runState(client)) !== 'running') await client.execute('cont');
    await becomeSomebody(directory, resume.nonce, machine, options);
    for (const one of machine.configuration.forwards) {
      const answer = await client.monitor(`hostfwd_add net ${forward(one)}`, options);
      if (answer.trim() !== '')
        throw new ImgkitError('UNAVAILABLE', `no port could be forwarded: ${answer.trim()}`);
    }
    const forwards = await machine.rememberPorts(client);
    const { resume: _, ...configuration } = machine.configuration;
    await writeConfiguration(directory, { ...configuration, forwards });
    await rm(join(directory, machineFiles.memory), { force: true });
  } catch (error) {
    await machine.stop({ graceMs: 0 });
    throw error;
  }
}

async function becomeSomebody(
  directory: string,
  nonce: string,
  machine: Machine,
  options: MachineCallOptions,
): Promise<void> {
  const pattern = new RegExp(`^imgkit-identity ${nonce} (ready|failed)$`, 'm');
  const result = await pollUntil(
    async () => {
      const found = pattern.exec(await consoleTail(directory))?.[1];
      if (found === undefined && !(await machine.isRunning())) return 'ended';
      return found;
    },
    {
      ...options,
      everyMs: 20,
      timeoutMs: identityTimeoutMs,
      doing: 'resuming a machine',
      onTimeout: () =>
        new ImgkitError('TIMEOUT', 'a resumed machine did not take its new identity in time'),
    },
  );
  if (result === 'ready') return;
  const log = await readFile(join(directory, machineFiles.log), 'utf8').catch(() => '');
  throw new ImgkitError('OPERATION_FAILED', 'a resumed machine could not take its new identity', {
    resource: directory,
    data: { console: (await consoleTail(directory, 4096)) + log.slice(-2000) },
  });
}
