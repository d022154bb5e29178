import { ImgkitError } from '@imgkit/core';
import { connect, type Socket } from 'node:net';

/** Where an SSH server is, or will be. */
export interface SshAddress {
  readonly host: string;
  readonly port: number;
  /** Whether it is known to listen already; a machine that boots, by default, isn't. */
  readonly listening?: boolean | undefined;
}

// A user-mode network accepts a connection before the guest listens, and repeats its own attempts only seconds apart, so that old attempts are slow to be
// answered: new ones must follow soon. But each that does reach a guest costs it a process, and one that is emulated on a busy host may take seconds to
// answer. So pace and patience are shares of the time that has passed: a guest is noticed within a fortieth of it, and always gets time in the end.
const paceMs = (passedMs: number) => Math.max(150, passedMs / 40);
const patienceMs = (passedMs: number) => Math.max(1200, passedMs / 10);
const probesAtATime = 4;
// A guest that has refused a connection has its network, and answers each attempt: one at a time is enough then, and may take its time.
const answeringPatienceMs = (passedMs: number) => Math.max(20_000, passedMs / 2);

/**
 * Gives a connection on which the server has sent its greeting, which then is still to be read. The attempts
 * overlap; the first to be greeted wins, and becomes the connection.
 *
 * @param since - When the waiting for this server began, by `performance.now()`.
 * @throws `signal.reason` once it is aborted.
 */
export async function reachSsh(
  address: SshAddress,
  since: number,
  signal: AbortSignal,
): Promise<Socket> {
  signal.throwIfAborted();
  const { host, port } = address;
  const live = new Set<Socket>();
  let winner: Socket | undefined;
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  let timer: NodeJS.Timeout | undefined;
  let answers = address.listening ?? false;
  const probe = () => {
    const passedMs = performance.now() - since;
    timer = setTimeout(probe, paceMs(passedMs));
    if (live.size >= (answers ? 1 : probesAtATime)) return;
    const socket = connect({ host, port, noDelay: true });
    live.add(socket);
    const patience = answers ? answeringPatienceMs : patienceMs;
    const life = setTimeout(() => {
      live.delete(socket);
      socket.destroy();
    }, patience(passedMs));
    socket
      .on('error', () => undefined)
      .once('close', () => {
        clearTimeout(life);
        // It was the other side that closed it.
        answers ||= live.has(socket);
        live.delete(socket);
      });
    socket.once('readable', () => {
      const bytes: unknown = socket.read();
      if (!(bytes instanceof Buffer) || !bytes.toString('latin1').startsWith('SSH-')) {
        socket.destroy();
        return;
      }
      clearTimeout(life);
      // What comes second is still live then, and is closed with the others.
      if (winner === undefined) {
        winner = socket;
        live.delete(socket);
        socket.unshift(bytes);
        resolve(socket);
      }
    });
  };
  const abort = () => reject(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  probe();
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', abort);
    for (const socket of live) socket.destroy();
  }
}

/** The error for a guest that could not be reached in time. */
export function unreachable(peer: string, waitedMs: number, cause: unknown): ImgkitError {
  return new ImgkitError(
    'TIMEOUT',
    `${peer} could not be reached over SSH within ${Math.round(waitedMs / 1000)} s`,
    {
      operation: 'ssh.connect',
      resource: peer,
      hint: 'Look at the end of the console: did the machine boot, get its network, and start its SSH server?',
      cause,
    },
  );
}
