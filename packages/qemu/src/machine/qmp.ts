import { cancelled, ImgkitError, throwIfAborted } from '@imgkit/core';
import { connect, type Socket } from 'node:net';
import { z } from 'zod';
import { withSocketPath } from './socket-path.ts';
import { pollUntil, type Wait } from './waiting.ts';

/** Something QEMU tells by itself, for example `SHUTDOWN`. */
export interface QmpEvent {
  readonly event: string;
  readonly data: Readonly<Record<string, unknown>>;
}

const messageSchema = z.object({
  QMP: z.object({ version: z.object({ qemu: z.unknown() }) }).optional(),
  event: z.string().optional(),
  data: z.record(z.string(), z.unknown()).optional(),
  id: z.number().optional(),
  return: z.unknown().optional(),
  error: z.object({ class: z.string(), desc: z.string() }).optional(),
});

interface Pending {
  readonly command: string;
  resolve(value: unknown): void;
  reject(error: Error): void;
}

/**
 * One conversation over QEMU's machine protocol.
 *
 * QEMU speaks with one client at a time and lets the next one wait: keep a conversation short, and
 * never hold one while waiting for a guest.
 */
export class QmpClient implements AsyncDisposable {
  readonly #socket: Socket;
  readonly #pending = new Map<number, Pending>();
  readonly #listeners = new Set<(event: QmpEvent) => void>();
  readonly #greeting = Promise.withResolvers<void>();
  #ended: Error | undefined;
  #nextId = 1;
  #rest = '';

  private constructor(socket: Socket) {
    this.#socket = socket;
    this.#greeting.promise.catch(() => {});
    socket.setEncoding('utf8');
    socket.on('data', (chunk) => this.#receive(String(chunk)));
    socket.on('error', (error) => this.#end(lost(error)));
    socket.on('close', () => this.#end(lost()));
  }

  /**
   * Connects to the socket `name` in `directory`, retrying until QEMU listens and answers.
   *
   * @throws `TIMEOUT` when nobody answered in time; `CANCELLED`; `PROTOCOL` when what answers is not QEMU.
   */
  static async connect(directory: string, name: string, wait: Wait): Promise<QmpClient> {
    const doing = `connecting to QEMU at ${directory}/${name}`;
    const end = performance.now() + wait.timeoutMs;
    const onTimeout = (): ImgkitError =>
      new ImgkitError(
        'TIMEOUT',
        `QEMU did not answer at ${directory}/${name} within ${wait.timeoutMs} ms`,
        {
          resource: directory,
          hint: 'Another program may be talking to this machine, or QEMU hangs: look at its log.',
        },
      );
    return await pollUntil(
      async () => {
        const socket = await withSocketPath(directory, name, open);
        if (socket === undefined) return undefined;
        const client = new QmpClient(socket);
        const left = Math.max(1, end - performance.now());
        try {
          await client.#within(client.#greeting.promise, left, wait.signal, doing, onTimeout);
          await client.#within(
            client.execute('qmp_capabilities'),
            left,
            wait.signal,
            doing,
            onTimeout,
          );
          return client;
        } catch (error) {
          await client.close();
          // A QEMU that is just ending accepts and hangs up: ask again until the time is over.
          if (ImgkitError.is(error, 'UNAVAILABLE')) return undefined;
          throw error;
        }
      },
      { ...wait, everyMs: 15, doing, onTimeout },
    );
  }

  /**
   * Runs a command and gives what QEMU returns.
   *
   * @throws `OPERATION_FAILED` (`UNSUPPORTED` for an unknown command) with QEMU's own class as
   *   `providerCode`; `UNAVAILABLE` when the connection is lost; `CANCELLED` when the waiting is
   *   aborted, which doesn't undo the command.
   */
  async execute(
    command: string,
    args?: Readonly<Record<string, unknown>>,
    options: {
      readonly signal?: AbortSignal | undefined;
      readonly timeoutMs?: number | undefined;
    } = {},
  ): Promise<unknown> {
    throwIfAborted(options.signal, `QEMU's ${command}`);
    if (this.#ended !== undefined) throw this.#ended;
    const id = this.#nextId++;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.#pending.set(id, { command, resolve, reject });
    this.#socket.write(
      `${JSON.stringify({ execute: command, ...(args && { arguments: args }), id })}\n`,
    );
    const doing = `QEMU's ${command}`;
    try {
      return await this.#within(
        promise,
        options.timeoutMs ?? 30_000,
        options.signal,
        doing,
        () => new ImgkitError('TIMEOUT', `${doing} gave no answer in time`, { operation: command }),
      );
    } finally {
      this.#pending.delete(id);
    }
  }

  /** Runs one of the human monitor's commands, for the few things the protocol has no command for. */
  async monitor(
    line: string,
    options: { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<string> {
    return z
      .string()
      .parse(await this.execute('human-monitor-command', { 'command-line': line }, options));
  }

  /** Calls `listener` for each event from now on; the function returned ends that. */
  onEvent(listener: (event: QmpEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Hangs up. QEMU goes on. */
  async close(): Promise<void> {
    if (this.#socket.closed) return;
    const closed = new Promise((resolve) => this.#socket.once('close', resolve));
    this.#socket.destroy();
    await closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #within<T>(
    promise: Promise<T>,
    timeoutMs: number,
    signal: AbortSignal | undefined,
    doing: string,
    onTimeout: () => Error,
  ): Promise<T> {
    const { promise: ended, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => reject(onTimeout()), timeoutMs);
    const abort = (): void => {
      if (signal !== undefined) reject(cancelled(signal, doing));
    };
    signal?.addEventListener('abort', abort, { once: true });
    if (signal?.aborted === true) abort();
    try {
      return await Promise.race([promise, ended]);
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
    }
  }

  #receive(chunk: string): void {
    const lines = (this.#rest + chunk).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) {
      if (line.trim() !== '') this.#message(line);
    }
  }

  #message(line: string): void {
    let parsed: z.infer<typeof messageSchema>;
    try {
      parsed = messageSchema.parse(JSON.parse(line));
    } catch (error) {
      this.#socket.destroy();
      this.#end(
        new ImgkitError('PROTOCOL', `QEMU sent ${JSON.stringify(line.slice(0, 200))}`, {
          cause: error,
        }),
      );
      return;
    }
    if (parsed.QMP !== undefined) {
      this.#greeting.resolve();
    } else if (parsed.event !== undefined) {
      const event = { event: parsed.event, data: parsed.data ?? {} };
      for (const listener of this.#listeners) listener(event);
    } else if (parsed.id !== undefined) {
      const pending = this.#pending.get(parsed.id);
      if (parsed.error === undefined) pending?.resolve(parsed.return);
      else pending?.reject(refused(pending.command, parsed.error));
    }
  }

  #end(error: Error): void {
    this.#ended ??= error;
    this.#greeting.reject(this.#ended);
    for (const pending of this.#pending.values()) pending.reject(this.#ended);
    this.#pending.clear();
  }
}

async function open(path: string): Promise<Socket | undefined> {
  return await new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.removeAllListeners('error');
      resolve(socket);
    });
    // Not there yet, or nobody listens any more: the caller asks again.
    socket.once('error', () => resolve(undefined));
  });
}

function lost(cause?: unknown): ImgkitError {
  return new ImgkitError('UNAVAILABLE', 'the connection to QEMU ended', { cause });
}

function refused(
  command: string,
  error: { readonly class: string; readonly desc: string },
): ImgkitError {
  const code = error.class === 'CommandNotFound' ? 'UNSUPPORTED' : 'OPERATION_FAILED';
  return new ImgkitError(code, `QEMU refused ${command}: ${error.desc}`, {
    operation: command,
    providerCode: error.class,
  });
}
