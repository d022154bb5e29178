import type { ClientRequest } from 'node:http';

/** Content that is sent as it comes. */
export interface BodyStream {
  /** How many bytes there are, where that is known before. */
  readonly sizeBytes: number | undefined;
  /** Whether the content can be had again, for a call that is made again. */
  readonly isRepeatable: boolean;
  /** The content from its beginning. A piece need only be good until the next is asked for. */
  open(): AsyncIterable<Uint8Array>;
}

/**
 * Sends content as fast as it is taken: a piece has left this process when the next is asked for. Stops early,
 * without an error, when the service has answered or hung up before all was sent.
 *
 * @throws What reading the content threw; the call is broken off then, so that nobody takes the part for the whole.
 */
export async function sendBody(call: ClientRequest, body: BodyStream): Promise<void> {
  let isOver = false;
  let wake: (() => void) | undefined;
  const stop = (): void => {
    isOver = true;
    wake?.();
  };
  call.once('response', stop);
  call.once('close', stop);
  let sent = 0;
  try {
    for await (const chunk of body.open()) {
      sent += chunk.length;
      if (isOver || sent > (body.sizeBytes ?? Infinity)) break;
      const { promise, resolve } = Promise.withResolvers<void>();
      wake = resolve;
      call.write(chunk, () => resolve());
      await promise;
    }
    if (isOver) return;
    if (body.sizeBytes !== undefined && sent !== body.sizeBytes)
      throw new Error('it is not as long as it was');
    call.end();
  } catch (error) {
    call.destroy();
    throw error;
  } finally {
    call.off('response', stop);
    call.off('close', stop);
  }
}
