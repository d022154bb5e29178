import { once } from 'node:events';
import {
  createServer,
  request as send,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http';

import type { Azurite } from './azurite.ts';

/** A request that came to the front. */
export interface FrontRequest {
  readonly method: string;
  /** What it is about: `page`, `metadata`, or nothing for a blob itself. */
  readonly comp: string | null;
  readonly headers: IncomingMessage['headers'];
  /** How many bytes of content it has. */
  readonly bytes: number;
}

/** What happens to a request instead of its answer. */
export type Mishap = 'drop-before' | 'drop-after' | 'busy' | 'stall';

/** Stands before an Azurite: counts what comes, and lets things go wrong. */
export interface BlobFront extends AsyncDisposable {
  /** The address of the account, behind the front. */
  readonly endpoint: string;
  readonly requests: FrontRequest[];
  /** The bytes that were written to pages. */
  pageBytes(): number;
  /** Decides about each request before it goes on. */
  look: (request: FrontRequest) => Promise<Mishap | undefined> | Mishap | undefined;
}

export async function startBlobFront(azurite: Azurite): Promise<BlobFront> {
  const requests: FrontRequest[] = [];
  const isPage = ({ comp, method }: FrontRequest): boolean => method === 'PUT' && comp === 'page';
  const server = createServer((incoming, answer) => {
    void forward(incoming, answer).catch(() => incoming.socket.destroy());
  });
  const forward = async (incoming: IncomingMessage, answer: ServerResponse): Promise<void> => {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(Buffer.from(chunk));
    const body = Buffer.concat(chunks);
    const { method = 'GET', url = '/', headers } = incoming;
    const target = new URL(url, azurite.endpoint);
    const comp = target.searchParams.get('comp');
    const request = { method, comp, headers, bytes: body.length };
    requests.push(request);
    const mishap = await front.look(request);
    if (mishap === 'stall') return;
    if (mishap === 'drop-before') return void incoming.socket.destroy();
    if (mishap === 'busy')
      return void answer.writeHead(503, { 'x-ms-error-code': 'ServerBusy' }).end();
    const outgoing = send(target, { method, headers });
    outgoing.end(body);
    const [answered] = await once(outgoing, 'response');
    if (mishap === 'drop-after') {
      answered.resume();
      return void incoming.socket.destroy();
    }
    answer.writeHead(answered.statusCode ?? 500, answered.headers);
    answered.pipe(answer);
  };
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = address !== null && typeof address === 'object' ? address.port : 0;
  const front: BlobFront = {
    endpoint: `http://127.0.0.1:${port}/${azurite.account}`,
    requests,
    pageBytes: () => requests.filter(isPage).reduce((sum, { bytes }) => sum + bytes, 0),
    look: () => undefined,
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
    },
  };
  return front;
}
