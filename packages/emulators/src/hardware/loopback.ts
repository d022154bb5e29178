import { createServer, connect, type Server, type Socket } from 'node:net';

import { ImgkitError } from '@imgkit/core';

/** Where something really listens. */
export interface Target {
  readonly host: string;
  readonly port: number;
}

/** An address of this machine that stands for another one. */
export interface LoopbackAddress {
  /** `127.18.3.7` */
  readonly ip: string;
  /** Gives the address back; its connections end. */
  close(): Promise<void>;
}

/** How many addresses are tried before giving up. */
const mostTries = 50;

/**
 * Takes an address of 127.18.0.0/16 and lets its ports lead elsewhere: port 22 to a forwarded port of a
 * virtual machine, for example, so that the machine is reached as one in a network is. Any address of
 * 127.0.0.0/8 is this machine on Linux.
 *
 * @param targets - by port of the address.
 * @param halfOpenMs - how long a connection stays when one of its sides has ended and the other says nothing.
 * @throws {@link ImgkitError} with `FAILED_PRECONDITION` when this machine doesn't allow it.
 */
export async function openLoopbackAddress(
  targets: ReadonlyMap<number, Target>,
  halfOpenMs = 30_000,
): Promise<LoopbackAddress> {
  let refusal: unknown;
  for (let tries = 0; tries < mostTries; tries++) {
    const ip = `127.18.${random(0, 255)}.${random(1, 254)}`;
    const opened: Server[] = [];
    const sockets = new Set<Socket>();
    const join = (socket: Socket, target: Target): void => {
      const other = connect({ ...target, allowHalfOpen: true });
      lead(socket, other, sockets, halfOpenMs);
      lead(other, socket, sockets, halfOpenMs);
    };
    const close = async (): Promise<void> => {
      for (const socket of sockets) socket.destroy();
      await Promise.all(opened.map(closed));
    };
    try {
      for (const [port, target] of targets) {
        opened.push(await listen(ip, port, (socket) => join(socket, target)));
      }
      return { ip, close };
    } catch (error) {
      await close();
      refusal = error;
      if (codeOf(error) !== 'EADDRINUSE') break;
    }
  }
  throw new ImgkitError(
    'FAILED_PRECONDITION',
    `no loopback address can be taken: ${String(refusal)}`,
    {
      hint: hints[codeOf(refusal)] ?? 'Real machines of the emulator need Linux.',
      cause: refusal,
    },
  );
}

const hints: Readonly<Record<string, string>> = {
  EACCES:
    'Ports below 1024 are for root: run as root, or set sysctl net.ipv4.ip_unprivileged_port_start to 22.',
  EADDRINUSE:
    'Something listens on the port of all addresses: let the SSH server of this machine listen on its own address only (ListenAddress in sshd_config).',
};

function listen(host: string, port: number, join: (socket: Socket) => void): Promise<Server> {
  const { promise, resolve, reject } = Promise.withResolvers<Server>();
  const server = createServer({ allowHalfOpen: true }, join);
  server.once('error', reject);
  server.listen({ host, port, exclusive: true }, () => resolve(server));
  return promise;
}

/** Gives on what comes from one side to the other, and ends them together. */
function lead(from: Socket, to: Socket, sockets: Set<Socket>, halfOpenMs: number): void {
  sockets.add(from);
  from.pipe(to);
  // One side may end first and still listen, but not to a guest that never answers.
  from.on('end', () => to.setTimeout(halfOpenMs, () => to.destroy()));
  from.on('error', () => to.destroy());
  from.on('close', () => {
    sockets.delete(from);
    to.destroy();
  });
}

function closed(server: Server): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  server.close(() => resolve());
  return promise;
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

function random(least: number, most: number): number {
  return least + Math.floor(Math.random() * (most - least + 1));
}
