import { ImgkitError } from '@imgkit/core';
import { readFileSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import {
  checkExactlyOne,
  checkMembers,
  checkReadable,
  checkText,
  checkUser,
  checkWholeNumber,
  invalid,
} from '../check.ts';
import { parseDuration, type Duration } from '../duration.ts';
import { killJob, runJob, type JobOutcome } from '../guest/job.ts';
import type { Machine, Provisioner, ProvisionContext } from '../provisioner.ts';
import { Secret } from '../secret.ts';

/** What {@link shell} runs, and how. */
export interface ShellOptions {
  /** The lines of a script, run by `sh -e`: the first line that fails ends it. */
  readonly inline?: readonly string[] | undefined;
  /** The path of a local script; its first line names its interpreter, `sh` by default. Relative to the working directory. */
  readonly script?: string | undefined;
  /** Variables of its environment. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** Variables whose values are never shown; see {@link secret}. Not part of the bake key: a new password makes no new image. */
  readonly secrets?: Readonly<Record<string, Secret>> | undefined;
  /** The exit codes that mean success. Default: `[0]`. */
  readonly validExitCodes?: readonly number[] | undefined;
  /** Whether the script may cut the connection or restart the machine; it counts as successful then. {@link reboot} is the better way to restart. Default: false. */
  readonly expectDisconnect?: boolean | undefined;
  /** How often it is run again when it fails. Default: 0. */
  readonly maxRetries?: number | undefined;
  /** How long to wait before the first run. Default: not at all. */
  readonly pauseBefore?: Duration | undefined;
  /** After how long one run of it is ended, with all that it started. Default: two hours. */
  readonly timeout?: Duration | undefined;
  /** The user it runs as. Default: root. */
  readonly runAs?: string | undefined;
}

const members = [
  'inline',
  'script',
  'env',
  'secrets',
  'validExitCodes',
  'expectDisconnect',
  'maxRetries',
  'pauseBefore',
  'timeout',
  'runAs',
];
const variableName = /^[A-Za-z_][A-Za-z0-9_]*$/u;
const twoHours = 7_200_000;
/** How long a script that may cut the connection is given to do so after its end. */
const lateDisconnectMs = 5000;

/**
 * Runs a script in the guest, exactly once: neither a lost connection nor a crash of this program makes it run a second time.
 *
 * @example
 * ```ts
 * import { secret, shell } from '@imgkit/bake';
 *
 * const install = shell({
 *   inline: ['apt-get update', 'apt-get install -y nginx'],
 *   env: { DEBIAN_FRONTEND: 'noninteractive' },
 *   secrets: { PROXY_PASSWORD: secret(process.env['PROXY_PASSWORD'] ?? 'none of your business') },
 *   maxRetries: 2,
 *   timeout: '10m',
 * });
 * console.log(install.label);
 * ```
 */
export function shell(options: ShellOptions): Provisioner {
  const text = readScript(options);
  const { env = {}, secrets = {} } = options;
  return {
    kind: 'shell',
    label: labelOf(options),
    settings: {
      script: text ?? '',
      env,
      secrets: Object.keys(secrets),
      validExitCodes: options.validExitCodes ?? [0],
      expectDisconnect: options.expectDisconnect ?? false,
      runAs: options.runAs ?? 'root',
    },
    secrets: Object.values(secrets),
    // Its own limit counts for each run of the script.
    timeoutMs: Number.POSITIVE_INFINITY,
    check: (path) => check(options, text, path),
    run: (machine, context) => run(options, text ?? '', machine, context),
  };
}

function labelOf({ script, inline }: ShellOptions): string {
  const first = script === undefined ? (inline?.[0] ?? '').trim() : basename(script);
  return `shell ${first.length > 40 ? `${first.slice(0, 39)}…` : first}`;
}

/** The script as it is when the recipe is made, which is what is digested and what is run; nothing when it can't be read, which `check` reports. */
function readScript({ inline, script }: ShellOptions): string | undefined {
  if (Array.isArray(inline)) return `#!/bin/sh -e\n${inline.join('\n')}\n`;
  if (typeof script !== 'string') return undefined;
  try {
    return readFileSync(resolve(script), 'utf8');
  } catch {
    return undefined;
  }
}

function check(options: ShellOptions, text: string | undefined, path: string): void {
  checkMembers(options, path, members);
  if (checkExactlyOne(options, path, ['inline', 'script']) === 'script') {
    checkText(options.script, `${path}.script`);
    checkReadable(resolve(options.script), `${path}.script`);
  } else if (!Array.isArray(options.inline) || options.inline.length === 0)
    throw invalid(`${path}.inline`, 'must be a list of lines that is not empty');
  if (text === undefined || text.includes('\0'))
    throw invalid(
      `${path}.script`,
      'is not a text',
      'Put a program into the guest with file(), then run it from a script.',
    );
  for (const [name, value] of Object.entries(options.env ?? {})) {
    if (!variableName.test(name))
      throw invalid(`${path}.env`, `${JSON.stringify(name)} is not the name of a variable`);
    if (typeof value !== 'string' || value.includes('\0'))
      throw invalid(`${path}.env.${name}`, 'must be a text without NUL');
  }
  for (const [name, value] of Object.entries(options.secrets ?? {})) {
    if (!variableName.test(name))
      throw invalid(`${path}.secrets`, `${JSON.stringify(name)} is not the name of a variable`);
    if (!(value instanceof Secret))
      throw invalid(`${path}.secrets.${name}`, 'must be made with secret()');
    if (options.env?.[name] !== undefined)
      throw invalid(`${path}.secrets.${name}`, 'is also given in env');
  }
  const codes = options.validExitCodes ?? [0];
  if (codes.length === 0) throw invalid(`${path}.validExitCodes`, 'must not be empty');
  for (const code of codes) checkWholeNumber(code, `${path}.validExitCodes`, 0, 255);
  checkWholeNumber(options.maxRetries, `${path}.maxRetries`, 0, 100);
  parseDuration(options.pauseBefore ?? 0, `${path}.pauseBefore`);
  if (parseDuration(options.timeout ?? twoHours, `${path}.timeout`) === 0)
    throw invalid(`${path}.timeout`, 'must be longer than nothing');
  checkUser(options.runAs, `${path}.runAs`);
}

async function run(
  options: ShellOptions,
  script: string,
  machine: Machine,
  context: ProvisionContext,
): Promise<void> {
  const retries = options.maxRetries ?? 0;
  const valid = options.validExitCodes ?? [0];
  const begun = typeof context.memory === 'number' ? context.memory : undefined;
  if (begun === undefined)
    await delay(parseDuration(options.pauseBefore ?? 0, 'pauseBefore'), undefined, {
      signal: context.signal,
    });
  for (let attempt = begun ?? 0; ; attempt++) {
    context.remember(attempt);
    const outcome = await runOnce(options, script, `${context.token}-${attempt}`, machine, context);
    if (outcome.state === 'done' && valid.includes(outcome.exitCode)) return;
    if (outcome.state === 'lost' && options.expectDisconnect === true) return;
    const message = describe(outcome, options);
    if (attempt >= retries)
      throw new ImgkitError('OPERATION_FAILED', `${labelOf(options)}: ${message}`, {
        operation: 'provision',
        hint:
          outcome.state === 'lost'
            ? 'Restart the machine with reboot(), or allow it with expectDisconnect.'
            : undefined,
        data: outcome.state === 'done' ? { exitCode: outcome.exitCode } : { reason: outcome.state },
      });
    context.retry(`${labelOf(options)}: ${message}; trying again (${attempt + 1} of ${retries})`);
  }
}

/** How one run of the script ended; `late` is what was ended for taking too long. */
type Outcome = JobOutcome | { readonly state: 'late' };

function describe(outcome: Outcome, options: ShellOptions): string {
  switch (outcome.state) {
    case 'lost':
      return 'the machine was restarted, or the script was killed, while it ran';
    case 'late':
      return `it took longer than ${options.timeout ?? '2h'} and was ended`;
    case 'done': {
      const valid = options.validExitCodes ?? [0];
      return `it ended with exit code ${outcome.exitCode}${valid.join() === '0' ? '' : `, not with ${valid.join(' or ')}`}`;
    }
  }
}

/** One run of the script, followed over lost connections. */
async function runOnce(
  options: ShellOptions,
  script: string,
  token: string,
  machine: Machine,
  context: ProvisionContext,
): Promise<Outcome> {
  const env = {
    ...options.env,
    ...Object.fromEntries(
      Object.entries(options.secrets ?? {}).map(([name, one]) => [name, one.reveal()]),
    ),
  };
  const timeoutMs = parseDuration(options.timeout ?? twoHours, 'timeout');
  let seen = 0;
  let late = false;
  const timer = setTimeout(
    () => {
      late = true;
      void machine
        .guest()
        .then((guest) => killJob(guest, token))
        .catch((error: unknown) => context.warn(`could not end the script: ${String(error)}`));
    },
    Math.min(timeoutMs, 2 ** 31 - 1),
  );
  try {
    for (let lost = 0; ; lost++) {
      const guest = await machine.guest();
      const bootId = options.expectDisconnect === true ? await machine.bootId() : undefined;
      try {
        const outcome = await runJob(guest, {
          token,
          script,
          env,
          runAs: options.runAs,
          from: seen,
          signal: context.signal,
          onOutput(bytes) {
            seen += bytes.length;
            context.output(bytes);
          },
        });
        if (late) return { state: 'late' };
        if (bootId !== undefined)
          await awaitRestart(guest.disconnected, bootId, machine, context, timeoutMs);
        return outcome;
      } catch (error) {
        // A job that goes on is found again over the next connection.
        if (!ImgkitError.is(error, 'UNAVAILABLE') || lost >= 20) throw error;
      }
    }
  } finally {
    clearTimeout(timer);
  }
}

/** A script that restarts the machine mostly ends before the connection does. What comes next must not run on a machine that is going down. */
async function awaitRestart(
  disconnected: Promise<void>,
  since: string,
  machine: Machine,
  context: ProvisionContext,
  timeoutMs: number,
): Promise<void> {
  const stayed = await Promise.race([
    disconnected,
    delay(lateDisconnectMs, 'stayed', { signal: context.signal, ref: false }),
  ]);
  if (stayed === undefined) {
    const now = await machine.bootId();
    // Still the old boot: it was the connection only, or the machine is slow to go down; `restart` waits for that, and helps.
    if (now === since) await machine.restart({ since, timeoutMs });
  }
}
