import type { OperationAddress } from '../client.ts';
import type { SdkPoller } from './sdk.ts';
import { isWireObject, object, text } from './wire.ts';

/** Where what has been sent can be looked at; nothing when it is done already. */
export async function addressOf(
  poller: SdkPoller,
  subscription: string,
): Promise<OperationAddress | undefined> {
  await poller.submitted();
  if (poller.isDone) return undefined;
  const state: unknown = JSON.parse(await poller.serialize());
  const config = object(object(isWireObject(state) ? state : {}, 'state'), 'config');
  const url = text(config, 'operationLocation');
  if (url === undefined) return undefined;
  const mode = text(object(config, 'metadata'), 'mode') ?? 'OperationLocation';
  return { mode, url, subscription };
}
