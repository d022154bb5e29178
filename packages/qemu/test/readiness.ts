import { connect } from 'node:net';

import { cancelled, ImgkitError, throwIfAborted } from '@imgkit/core';

/** What is waited for. */
export interface Readiness {
  readonly port: number;
  /** What the service must greet with; SSH's greeting by default. */
  readonly greeting?: RegExp | undefined;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  /** Whether the machine still runs: asked now and then, to fail early. */
  isAlive(): Promise<boolean>;
  /** The last lines of the machine's console, for the error. */
  console(): Promise<string>;
}

const probes = 8;
const shortestProbeMs = 1200;
const aliveEveryMs = 500;

/**
 * Waits until a service of the guest greets on the forwarded loopback port.
 *
 * QEMU's user-mode network accepts a connection before the guest listens, and tries to hand it on
 * only every few seconds: so many short-lived connections are tried, one after another. They live
 * the longer the guest takes, since a slow one would otherwise never answer one of them in time:
 * each costs it a process.
 *
 * @throws `TIMEOUT`, or `OPERATION_FAILED` as soon as the machine has ended, both with the end of
 *   the console; `CANCELLED`.
 */
export async function waitForService(wait: Readiness): Promise<string> {
  const { greeting = /^SSH-/, port, signal, timeoutMs } = wait;
  throwIfAborted(signal, 'waiting for a guest');
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const stop = new AbortController();
  const begin = performance.now();
  let timer: NodeJS.Timeout | undefined;
  const tryAgain = (): void => {
    const lifeMs = probeLife(performance.now() - begin);
    probe(port, greeting, lifeMs, stop.signal, (found) => {
      if (found !== undefined) resolve(found);
    });
    timer = setTimeout(tryAgain, lifeMs / probes);
  };
  tryAgain();
  const watch = setInterval(() => {
    wait
      .isAlive()
      .then(
        (alive) =>
          alive || reject(new ImgkitError('OPERATION_FAILED', 'the machine ended while it booted')),
        reject,
      );
  }, aliveEveryMs);
  const deadline = setTimeout(() => {
    const message = `the guest did not answer at port ${port} within ${timeoutMs} ms`;
    reject(new ImgkitError('TIMEOUT', message));
  }, timeoutMs);
  const abort = (): void => {
    if (signal !== undefined) reject(cancelled(signal, 'waiting for a guest'));
  };
  signal?.addEventListener('abort', abort, { once: true });
  try {
    return await promise;
  } catch (error) {
    if (!ImgkitError.is(error) || error.code === 'CANCELLED') throw error;
    const console = await wait.console().catch(() => '');
    const { code, message } = error;
    throw new ImgkitError(code, message, {
      hint: 'What the guest printed last is in error.data.console.',
      data: { console: console.split('\n').slice(-30).join('\n') },
      cause: error,
    });
  } finally {
    clearTimeout(timer);
    clearInterval(watch);
    clearTimeout(deadline);
    signal?.removeEventListener('abort', abort);
    stop.abort();
  }
}

/** How long a probe may take after `waitedMs` of waiting, in milliseconds. */
function probeLife(waitedMs: number): number {
  return Math.max(shortestProbeMs, waitedMs / 6);
}

function probe(
  port: number,
  greeting: RegExp,
  lifeMs: number,
  stop: AbortSignal,
  done: (greeting: string | undefined) => void,
): void {
  const socket = connect({ port, host: '127.0.0.1', signal: stop });
  const life = setTimeout(() => socket.destroy(), lifeMs);
  let text = '';
  socket.on('error', () => {});
  socket.on('data', (chunk) => {
    text += String(chunk);
    if (text.includes('\n') || greeting.test(text)) socket.destroy();
  });
  socket.once('close', () => {
    clearTimeout(life);
    done(greeting.test(text) ? text.split('\n', 1)[0]?.trim() : undefined);
  });
}
