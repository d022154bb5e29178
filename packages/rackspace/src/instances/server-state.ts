import { ImgkitError, type CallOptions } from '@imgkit/core';

import { notFound } from '../errors.ts';
import type { NovaServer } from '../nova/nova-server.ts';
import type { CloudContext } from '../resources/context.ts';
import { isGone, statusOfServer } from './instance-view.ts';

/** The server, or nothing when there is none. */
export async function findServer(
  context: CloudContext,
  id: string,
  options?: CallOptions,
): Promise<NovaServer | undefined> {
  // An empty id would ask for the list.
  if (id === '') return undefined;
  try {
    const server = await context.nova.get(id, options);
    return isGone(server) ? undefined : server;
  } catch (error) {
    if (ImgkitError.is(error, 'NOT_FOUND')) return undefined;
    throw error;
  }
}

/** @throws `NOT_FOUND`. */
export async function knownServer(
  context: CloudContext,
  id: string,
  options?: CallOptions,
): Promise<NovaServer> {
  const server = await findServer(context, id, options);
  if (server === undefined) throw notFound('instance', id);
  return server;
}

/**
 * Waits until a server is as it shall be, and nothing is done to it any more.
 *
 * @throws `NOT_FOUND`, or an error with the cloud's reason when it fails.
 */
export async function awaitServer(
  context: CloudContext,
  id: string,
  isThere: (server: NovaServer) => boolean,
  options: CallOptions,
): Promise<NovaServer> {
  return context.poll(async () => {
    const server = await knownServer(context, id, options);
    if (server.status === 'ERROR') throw serverFault(server);
    const isBusy = Boolean(server['OS-EXT-STS:task_state']);
    return !isBusy && isThere(server) ? server : undefined;
  }, options.signal);
}

/** Waits until a server is neither on its way up nor down. */
export function settledServer(
  context: CloudContext,
  id: string,
  options: CallOptions,
): Promise<NovaServer> {
  const passing = new Set(['PENDING', 'STOPPING', 'DELETING']);
  return awaitServer(context, id, (server) => !passing.has(statusOfServer(server)), options);
}

/** How often a deletion that failed is asked for again. */
const deletionTries = 3;

/** Deletes a server, and waits until it is gone. */
export async function removeServer(
  context: CloudContext,
  id: string,
  options: CallOptions = {},
): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      await context.nova.delete(id, options);
    } catch (error) {
      if (ImgkitError.is(error, 'NOT_FOUND')) return;
      throw error;
    }
    const left = await context.poll(async () => {
      const server = await findServer(context, id, options);
      if (server === undefined) return 'gone';
      // One that couldn't be deleted is in ERROR, with nothing on its way.
      return server.status === 'ERROR' && !server['OS-EXT-STS:task_state'] ? server : undefined;
    }, options.signal);
    if (left === 'gone') return;
    if (tries >= deletionTries) throw serverFault(left);
  }
}

/** Why a server is in ERROR. https://docs.openstack.org/api-guide/compute/faults.html */
export function serverFault({ id, name, fault }: NovaServer): ImgkitError {
  const message = fault?.message ?? 'the cloud doesn’t say why';
  const isQuota = /quota|exceeds? allowed/i.test(message);
  const isFull = /no valid host|insufficient|exceeded max scheduling attempts/i.test(message);
  const hint = isQuota
    ? 'Delete what is no longer needed, or ask for a higher quota.'
    : isFull
      ? 'The cloud has no room for such a machine: use another flavor or availability zone, or try again later.'
      : 'See the instance’s own list of actions for the reason.';
  return new ImgkitError(
    isQuota ? 'QUOTA_EXCEEDED' : 'OPERATION_FAILED',
    `instance "${name}" failed: ${message}`,
    {
      resource: id,
      hint,
      providerCode: fault?.code === undefined ? undefined : String(fault.code),
    },
  );
}
