import { randomUUID } from 'node:crypto';

import {
  checkedPublicKey,
  ImgkitError,
  type CallOptions,
  type LaunchRequest,
  type OperationControl,
} from '@imgkit/core';

import { isRefusal } from '../errors.ts';
import type { NovaServer } from '../nova/nova-server.ts';
import type { CloudContext } from '../resources/context.ts';
import { checkInstant, checkName } from '../resources/rules.ts';
import { connectServer } from './floating-address.ts';
import { isGone } from './instance-view.ts';
import { launchDigest, withKeyPair } from './key-pair.ts';
import { readServerMetadata, toServerMetadata } from './server-metadata.ts';
import { checkTemplate, planServer, type Planner } from './server-plan.ts';
import { awaitServer } from './server-state.ts';
import { removeInstance } from './removal.ts';

/**
 * Launches a server, once for a key, and waits until it runs and has its addresses.
 *
 * @param plan - Looks up what it is made with.
 */
export async function launchServer(
  context: CloudContext,
  request: LaunchRequest,
  control: OperationControl,
  plan: Planner = planServer,
): Promise<NovaServer> {
  const { name, idempotencyKey, hostKey } = request;
  checkName('instance', name);
  checkInstant('expiresAt', request.expiresAt);
  if (hostKey !== undefined) checkedPublicKey(hostKey);
  checkTemplate(request);
  const digest = launchDigest(context.project, idempotencyKey ?? randomUUID());
  const { id, isNew } = await context.locks.alone(`server name ${name}`, () =>
    claim(context, request, plan, digest, control.signal),
  );
  const claimedAt = context.clock.now();
  control.accepted(`instances.launch ${id}`);
  control.progress('the cloud builds the server');
  try {
    const server = await runningServer(context, id, control);
    if (!isNew) return server;
    // Nova tells instants by the second: only when that is over is it known which one is the oldest.
    await context.sleep(Math.max(0, claimedAt + instantMs - context.clock.now()), control.signal);
    const older = await giveWay(context, { name, id, digest }, control);
    return older === undefined ? server : await runningServer(context, older, control);
  } catch (error) {
    if (!isNew && control.signal.aborted) throw pending(id, error);
    if (isNew) await undo(context, id, error);
    throw error;
  }
}

/** How exact Nova tells when a server was made, in milliseconds. */
const instantMs = 1000;

/** Waits until a server that is being launched runs and has its addresses. */
export async function runningServer(
  context: CloudContext,
  id: string,
  { signal }: CallOptions,
): Promise<NovaServer> {
  const server = await awaitServer(context, id, ({ status }) => status !== 'BUILD', { signal });
  await connectServer(context, server, { signal });
  return context.nova.get(id, { signal });
}

/** The server that a key stands for, made if it isn't there. */
async function claim(
  context: CloudContext,
  request: LaunchRequest,
  plan: Planner,
  digest: string,
  signal: AbortSignal,
): Promise<{ readonly id: string; readonly isNew: boolean }> {
  const { name } = request;
  const known = await standing(context, name, digest, signal);
  if (known !== undefined) return { id: known, isNew: false };
  const id = await create(context, request, plan, digest, signal);
  try {
    const older = await giveWay(context, { name, id, digest }, { signal });
    return older === undefined ? { id, isNew: true } : { id: older, isNew: false };
  } catch (error) {
    if (!ImgkitError.is(error, 'ALREADY_EXISTS')) await undo(context, id, error);
    throw error;
  }
}

/**
 * Removes a new server if there is an older one of its name. Names aren't unique in Nova, and nothing else keeps two from
 * being made at the same time.
 *
 * @returns The older one, made with the same key; nothing if there is none.
 * @throws `ALREADY_EXISTS` if the older one was made with another key.
 */
async function giveWay(
  context: CloudContext,
  { name, id, digest }: { readonly name: string; readonly id: string; readonly digest: string },
  { signal }: CallOptions,
): Promise<string | undefined> {
  const [first] = await serversNamed(context, name, { signal });
  if (first === undefined || first.id === id) return undefined;
  await removeInstance(context, id);
  if (readServerMetadata(first).key === digest) return first.id;
  throw taken(name, first.id);
}

/**
 * The server that this key has made already; one that failed is removed.
 *
 * @throws `ALREADY_EXISTS` if another one has the name.
 */
async function standing(
  context: CloudContext,
  name: string,
  digest: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  const servers = await serversNamed(context, name, { signal });
  const other = servers.find((server) => readServerMetadata(server).key !== digest);
  const mine = servers.find((server) => readServerMetadata(server).key === digest);
  if (mine === undefined && other !== undefined) throw taken(name, other.id);
  if (mine?.status !== 'ERROR') return mine?.id;
  await removeInstance(context, mine.id, { signal });
  return undefined;
}

async function create(
  context: CloudContext,
  request: LaunchRequest,
  planner: Planner,
  digest: string,
  signal: AbortSignal,
): Promise<string> {
  const { name, labels = {}, metadata = {}, ports, authorizedKeys = [], hostKey } = request;
  const plan = await planner(context, request, hostKey, { signal });
  const notes = { labels, metadata, key: digest, ports, floatingNetwork: plan.floatingNetwork };
  const key = authorizedKeys.find(({ user }) => user === 'root') ?? authorizedKeys[0];
  const pair = key && { publicKey: key.publicKey, labels, digest };
  return withKeyPair(
    context,
    pair,
    async (keyName) => {
      const server = {
        ...plan.server,
        name,
        key_name: keyName ?? plan.server.key_name,
        metadata: { ...toServerMetadata(notes), ...plan.notes },
      };
      try {
        return await context.nova.create(server, { signal });
      } catch (error) {
        // What was refused isn't there. Otherwise the answer was lost, or the call.
        if (isRefusal(error)) throw error;
        const made = await lost(context, name, digest).catch(() => undefined);
        if (made === undefined) throw error;
        if (!signal.aborted) return made;
        await undo(context, made, error);
        throw error;
      }
    },
    { signal },
  );
}

/** How often, and after how many milliseconds, a server whose answer was lost is looked for: it may still be on its way. */
const looks = [0, 500, 2000];

async function lost(
  context: CloudContext,
  name: string,
  digest: string,
): Promise<string | undefined> {
  for (const wait of looks) {
    await context.sleep(wait, undefined);
    const servers = await serversNamed(context, name);
    const mine = servers.find((server) => readServerMetadata(server).key === digest);
    if (mine !== undefined) return mine.id;
  }
  return undefined;
}

/** The servers of a name, the oldest first. */
export async function serversNamed(
  context: CloudContext,
  name: string,
  options?: CallOptions,
): Promise<readonly NovaServer[]> {
  const found: NovaServer[] = [];
  // Nova takes an expression there.
  const filter = { name: `^${name.replaceAll(/[\\^$.*+?()[\]{}|]/g, String.raw`\$&`)}$` };
  for await (const server of context.nova.list(filter, options)) {
    if (server.name === name && !isGone(server)) found.push(server);
  }
  return found.toSorted((a, b) => order(a).localeCompare(order(b)));
}

function order({ created, id }: NovaServer): string {
  return `${created} ${id}`;
}

/** Removes what a failed launch has made; says so when it can't. */
async function undo(context: CloudContext, id: string, reason: unknown): Promise<void> {
  try {
    await removeInstance(context, id);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new ImgkitError('CLEANUP_FAILED', `instance "${id}" could not be deleted: ${why}`, {
      resource: id,
      leftovers: [{ provider: context.provider, kind: 'instance', id, reason: why }],
      hint: 'Delete it by hand.',
      cause: reason,
    });
  }
}

function taken(name: string, id: string): ImgkitError {
  return new ImgkitError('ALREADY_EXISTS', `there is an instance "${name}" already`, {
    resource: id,
    hint: 'Choose another name, or delete that instance.',
  });
}

/** What somebody else launches goes on when our waiting for it ends. */
function pending(id: string, cause: unknown): ImgkitError {
  return new ImgkitError('PENDING', `instance "${id}" is being launched by another call`, {
    resource: id,
    token: `instances.launch ${id}`,
    hint: 'Go on waiting for it with provider.resume(token).',
    cause,
  });
}
