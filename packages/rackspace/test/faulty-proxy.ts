import { createServer, request as requestHttp, type IncomingMessage } from 'node:http';

import { onTestFinished } from 'vitest';

/** What goes wrong with a call on its way. */
export type Trouble =
  /** The connection breaks before the service has seen the call. */
  | 'lost call'
  /** The service does what it was asked, and the connection breaks before it can say so. */
  | 'lost answer'
  /** The service is said to answer so, and sees nothing of the call. */
  | { readonly status: number; readonly headers?: Readonly<Record<string, string>> | undefined }
  /** The connection breaks after so many bytes of the answer. */
  | { readonly cutAfter: number };

/** Trouble for the next calls that it fits. */
export interface Fault {
  readonly method: string;
  readonly path: RegExp;
  readonly trouble: Trouble;
  /** How many calls it hits; one by default. */
  readonly times?: number | undefined;
}

/** A service with faults. */
export interface FaultyProxy {
  /** Where it listens, with the prefix that it takes off each path. */
  readonly url: string;
  /** Makes the next calls fail. */
  fail(...faults: readonly Fault[]): void;
  /** How many faults have not been met yet. */
  pending(): number;
  /** What was asked, as `GET /v2/images`, and whether it went wrong here. */
  readonly calls: { readonly call: string; readonly headers: IncomingMessage['headers'] }[];
  /** The tokens that were given out. */
  readonly tokens: string[];
}

/** Puts a proxy that can fail in front of a service, until the test is over. */
export async function startProxy(target: string, prefix = ''): Promise<FaultyProxy> {
  const faults: { readonly fault: Fault; left: number }[] = [];
  const calls: FaultyProxy['calls'] = [];
  const tokens: string[] = [];
  const next = (method: string, path: string): Trouble | undefined => {
    const found = faults.find(
      ({ fault, left }) => left > 0 && fault.method === method && fault.path.test(path),
    );
    if (found === undefined) return undefined;
    found.left -= 1;
    return found.fault.trouble;
  };
  const server = createServer((asked, answer) => {
    const { method = '', url: path = '', headers, socket } = asked;
    calls.push({ call: `${method} ${path}`, headers });
    const trouble = next(method, path);
    if (trouble === 'lost call') return void socket.destroy();
    if (typeof trouble === 'object' && 'status' in trouble) {
      asked.resume();
      asked.on('end', () => answer.writeHead(trouble.status, trouble.headers).end('{}'));
      return undefined;
    }
    const url = new URL(`${target}${path.slice(prefix.length)}`);
    const onward = requestHttp(url, { method, headers: { ...headers, host: url.host } });
    onward.on('error', () => socket.destroy());
    answer.once('close', () => onward.destroy());
    asked.pipe(onward);
    onward.on('response', (given) => {
      const token = given.headers['x-subject-token'];
      if (typeof token === 'string') tokens.push(token);
      if (trouble === 'lost answer') {
        given.resume().on('end', () => socket.destroy());
        return;
      }
      answer.writeHead(given.statusCode ?? 0, given.rawHeaders);
      let left = trouble === undefined ? Infinity : trouble.cutAfter;
      given.on('data', (chunk: Buffer) => {
        const part = chunk.subarray(0, left);
        left -= part.length;
        if (left > 0) {
          if (!answer.write(part)) {
            given.pause();
            answer.once('drain', () => given.resume());
          }
          return;
        }
        given.removeAllListeners('data').removeAllListeners('end').resume();
        answer.write(part, () => socket.destroy());
      });
      given.on('end', () => answer.end());
    });
    return undefined;
  });
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, '127.0.0.1', resolve);
  await promise;
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  return {
    url: `http://127.0.0.1:${port}${prefix}`,
    fail: (...more) =>
      void faults.push(...more.map((fault) => ({ fault, left: fault.times ?? 1 }))),
    pending: () => faults.reduce((sum, { left }) => sum + left, 0),
    calls,
    tokens,
  };
}
