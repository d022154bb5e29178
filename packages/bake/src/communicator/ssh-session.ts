import { ImgkitError } from '@imgkit/core';
import { pipeline } from 'node:stream/promises';
import { Readable } from 'node:stream';
import type { Client, ClientChannel } from 'ssh2';
import type {
  Communicator,
  DownloadRequest,
  ExecOptions,
  ExecResult,
  UploadRequest,
} from './communicator.ts';
import { downloadOver, uploadOver } from './file-transfer.ts';
import { quote } from './shell-quote.ts';
import { Tail } from './tail.ts';

/** Signal numbers as shells report them. */
const signals: Readonly<Record<string, number>> = {
  HUP: 1,
  INT: 2,
  QUIT: 3,
  ABRT: 6,
  KILL: 9,
  SEGV: 11,
  PIPE: 13,
  TERM: 15,
};

const stdoutLimit = 1024 * 1024;
const stderrLimit = 64 * 1024;

/** A guest at the other end of an SSH connection that stands. Each command is a channel of its own on it. */
export class SshCommunicator implements Communicator {
  readonly peer: string;
  readonly disconnected: Promise<void>;
  readonly #client: Client;
  readonly #isRoot: boolean;
  #connected = true;

  constructor(client: Client, peer: string, user: string) {
    this.peer = peer;
    this.#client = client;
    this.#isRoot = user === 'root';
    this.disconnected = new Promise((resolve) => {
      client.once('close', () => {
        this.#connected = false;
        resolve();
      });
    });
  }

  get connected(): boolean {
    return this.#connected;
  }

  async exec(command: string, options: ExecOptions = {}): Promise<ExecResult> {
    const { signal } = options;
    if (isAborted(signal)) throw this.#cancelled();
    const line =
      options.asRoot === true && !this.#isRoot ? `sudo -n -- sh -c ${quote(command)}` : command;
    const stdout = new Tail(stdoutLimit);
    const stderr = new Tail(stderrLimit);
    const closed = Promise.withResolvers<void>();
    let exitCode: number | undefined;
    const channel = await this.#open(line, (opened) => {
      opened.on('data', options.onStdout ?? ((chunk: Buffer) => stdout.push(chunk)));
      opened.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
      opened.on('exit', (code: number | null, name?: string) => {
        exitCode = code ?? 128 + (signals[name?.replace(/^SIG/u, '') ?? ''] ?? 0);
      });
      opened.once('close', () => closed.resolve());
    });
    const stop = () => {
      // Not every server passes a signal on; nobody waits for what it makes of it.
      channel.signal('TERM');
      channel.close();
      closed.resolve();
    };
    signal?.addEventListener('abort', stop, { once: true });
    // A command that doesn't read all of its input is no error; it says how it ended itself.
    const fed = feed(channel, options.stdin).catch(() => undefined);
    try {
      await Promise.race([closed.promise, this.disconnected]);
    } finally {
      signal?.removeEventListener('abort', stop);
    }
    if (isAborted(signal)) throw this.#cancelled();
    if (exitCode === undefined) throw this.#lost();
    await fed;
    return { exitCode, stdout: stdout.text(), stderr: stderr.text() };
  }

  async upload(request: UploadRequest): Promise<void> {
    await uploadOver(this, request);
  }

  async download(request: DownloadRequest): Promise<void> {
    await downloadOver(this, request);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#connected) return;
    this.#client.end();
    const timer = setTimeout(() => this.#client.destroy(), 500);
    await this.disconnected;
    clearTimeout(timer);
  }

  /** `listen` is called at once: all that a short command has to say may come together with the opening. */
  async #open(line: string, listen: (channel: ClientChannel) => void): Promise<ClientChannel> {
    if (!this.#connected) throw this.#lost();
    const { promise, resolve, reject } = Promise.withResolvers<ClientChannel>();
    try {
      this.#client.exec(line, (error, channel) => {
        if (error !== undefined) {
          reject(error);
          return;
        }
        listen(channel);
        resolve(channel);
      });
    } catch (error) {
      reject(error);
    }
    void this.disconnected.then(() => reject(this.#lost()));
    try {
      return await promise;
    } catch (error) {
      throw ImgkitError.is(error) ? error : this.#lost(error);
    }
  }

  #lost(cause?: unknown): ImgkitError {
    return new ImgkitError('UNAVAILABLE', `the connection to ${this.peer} was lost`, {
      operation: 'ssh.exec',
      resource: this.peer,
      cause,
    });
  }

  #cancelled(): ImgkitError {
    return new ImgkitError('CANCELLED', `a command on ${this.peer} was cancelled`, {
      operation: 'ssh.exec',
      resource: this.peer,
    });
  }
}

async function feed(channel: ClientChannel, input: ExecOptions['stdin']): Promise<void> {
  if (input instanceof Readable) await pipeline(input, channel, { end: true });
  else if (input === undefined) channel.end();
  else channel.end(input);
}

function isAborted(signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true;
}
