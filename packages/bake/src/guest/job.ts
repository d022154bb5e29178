import { ImgkitError, type CallOptions } from '@imgkit/core';
import type { Communicator } from '../communicator/communicator.ts';
import {
  follow,
  kill,
  readOutput,
  reportedTail,
  startAndWait,
  type JobPlaces,
} from './job-script.ts';

/** A script to be run in a guest. */
export interface JobRequest extends CallOptions {
  /** Names the job: with the same token it is one job, however often it is asked for. Letters, digits and dashes. */
  readonly token: string;
  /** The script; `sh` runs it unless its first line names another interpreter. */
  readonly script: string;
  /** Variables of its environment, secret ones too: they reach the guest over the connection and a file that only root can read, never a command line. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** The user it runs as. Default: root. */
  readonly runAs?: string | undefined;
  /** Gets the output, standard error included, from the byte `from` on. */
  readonly onOutput?: ((bytes: Buffer) => void) | undefined;
  /** Where in the output to begin: what was already shown. Default: 0. */
  readonly from?: number | undefined;
  /** Where jobs live in the guest; for tests. */
  readonly places?: JobPlaces | undefined;
}

/** How a job ended. */
export type JobOutcome =
  /** It ran to its end. */
  | { readonly state: 'done'; readonly exitCode: number }
  /** It was started once and is no more: the guest was restarted under it, or it was killed from outside. */
  | { readonly state: 'lost' };

const usualPlaces: JobPlaces = { roots: ['/run', '/tmp'], marks: '/var/lib/imgkit-jobs' };

/** Jobs that end sooner aren't followed: their output comes with their end. */
const followAfterMs = 300;

/**
 * Runs a script in a guest exactly once: when the connection breaks, or this program dies, the job goes on there, and asking for the same
 * token again waits for it, shows its output, and gives its result.
 *
 * @throws {@link ImgkitError} `UNAVAILABLE` when the connection is lost (ask again on a new one), `CANCELLED`, `FAILED_PRECONDITION` when the guest can't take jobs.
 */
export async function runJob(guest: Communicator, request: JobRequest): Promise<JobOutcome> {
  const places = request.places ?? usualPlaces;
  const job = {
    token: request.token,
    script: request.script,
    env: request.env ?? {},
    runAs: request.runAs,
  };
  const output = new OutputWindow(request.from ?? 0, request.onOutput ?? (() => undefined));
  const stopFollowing = new AbortController();
  const timer = setTimeout(() => {
    void guest
      .exec('sh -s', {
        stdin: follow(job.token, output.position, places),
        asRoot: true,
        signal: stopFollowing.signal,
        onStdout: (bytes) => output.append(bytes),
      })
      // It is for a faster look only: whatever it missed comes with the job's end.
      .catch(() => undefined);
  }, followAfterMs);
  const collected: Buffer[] = [];
  try {
    const { stderr } = await guest.exec('sh -s', {
      stdin: startAndWait(job, places),
      asRoot: true,
      signal: request.signal,
      onStdout: (bytes) => collected.push(bytes),
    });
    const report = readReport(Buffer.concat(collected), job.token);
    if (report === undefined || report.state === 'nowhere')
      throw new ImgkitError(
        'FAILED_PRECONDITION',
        `${guest.peer} can't take a job: ${stderr.trim() || `no directory for it under ${places.roots.join(' or ')}`}`,
        {
          operation: 'job.start',
          resource: guest.peer,
          hint: 'Jobs need a POSIX shell, and root: as the login, or by sudo without a password.',
        },
      );
    if (report.state === 'lost') return { state: 'lost' };
    output.close();
    await catchUp(guest, job.token, output, report, places, request.signal);
    return { state: 'done', exitCode: report.exitCode };
  } finally {
    clearTimeout(timer);
    output.close();
    stopFollowing.abort();
  }
}

/** Ends a job and everything it started: asks, and kills after `graceMs`. */
export async function killJob(
  guest: Communicator,
  token: string,
  options: { readonly graceMs?: number | undefined; readonly places?: JobPlaces | undefined } = {},
): Promise<void> {
  const stdin = kill(
    token,
    Math.ceil((options.graceMs ?? 3000) / 1000),
    options.places ?? usualPlaces,
  );
  await guest.exec('sh -s', { stdin, asRoot: true });
}

interface DoneReport {
  readonly state: 'done';
  readonly exitCode: number;
  readonly size: number;
  readonly tail: Buffer;
}

type Report = DoneReport | { readonly state: 'lost' } | { readonly state: 'nowhere' };

/** A login may print something of its own before the report. */
function readReport(bytes: Buffer, token: string): Report | undefined {
  const start = bytes.indexOf(`imgkit-job ${token} `);
  const end = start === -1 ? -1 : bytes.indexOf('\n', start);
  if (end === -1) return undefined;
  const [state, exitCode, size] = bytes.subarray(start, end).toString().split(' ').slice(2);
  if (state === 'lost') return { state };
  if (state === 'nowhere') return { state };
  return {
    state: 'done',
    exitCode: Number(exitCode),
    size: Number(size),
    tail: bytes.subarray(end + 1),
  };
}

/** Gives what was not seen yet of a finished job's output: from the report when it reaches back far enough, else from the guest. */
async function catchUp(
  guest: Communicator,
  token: string,
  output: OutputWindow,
  report: DoneReport,
  places: JobPlaces,
  signal: AbortSignal | undefined,
): Promise<void> {
  const tailStart = report.size - Math.min(report.size, reportedTail);
  if (output.position < tailStart) {
    const missing: Buffer[] = [];
    await guest.exec('sh -s', {
      stdin: readOutput(token, output.position, tailStart - output.position, places),
      asRoot: true,
      signal,
      onStdout: (bytes) => missing.push(bytes),
    });
    output.finish(Buffer.concat(missing));
  }
  if (output.position >= tailStart)
    output.finish(report.tail.subarray(output.position - tailStart, report.size - tailStart));
}

/** Gives each byte of the output once, in order, whoever brings it. */
class OutputWindow {
  readonly #give: (bytes: Buffer) => void;
  #position: number;
  #open = true;

  constructor(from: number, give: (bytes: Buffer) => void) {
    this.#position = from;
    this.#give = give;
  }

  /** How many bytes were given, those before the beginning included. */
  get position(): number {
    return this.#position;
  }

  /** From the one that follows, until it is told to stop. */
  append(bytes: Buffer): void {
    if (this.#open) this.finish(bytes);
  }

  /** From the one that has the end. */
  finish(bytes: Buffer): void {
    this.#position += bytes.length;
    if (bytes.length > 0) this.#give(bytes);
  }

  close(): void {
    this.#open = false;
  }
}
