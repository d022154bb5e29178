import { ImgkitError, type CallOptions, type Principal, type PrincipalKind } from '@imgkit/core';

import { text } from '../api/wire.ts';
import type { GceContext } from '../context.ts';

/** Who can be named. */
export const principalKinds: readonly PrincipalKind[] = [
  'project',
  'user',
  'group',
  'service-account',
  'domain',
  'everyone',
];

/** IAM's words for those who are named by an address. https://cloud.google.com/iam/docs/principal-identifiers */
const prefixes = {
  user: 'user:',
  group: 'group:',
  'service-account': 'serviceAccount:',
  domain: 'domain:',
} as const;
const anyoneSignedIn = 'allAuthenticatedUsers';

const address = /^[^\s@:/]+@[^\s@:/]+\.[^\s@:/]+$/;
const patterns: Readonly<Record<Exclude<PrincipalKind, 'everyone'>, RegExp>> = {
  user: address,
  group: address,
  'service-account': address,
  domain: /^[a-z0-9-]+(?:\.[a-z0-9-]+)+$/i,
  project: /^(?:\d{4,}|(?:[a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9])$/,
};

/** All service accounts of a project, so all its machines and automation. */
const projectSet =
  /^principalSet:\/\/cloudresourcemanager\.googleapis\.com\/projects\/(\d+)\/type\/ServiceAccount$/;
/** The agent that makes the instances of a project's managed groups. */
const groupAgent = /^serviceAccount:(\d+)@cloudservices\.gserviceaccount\.com$/;

/**
 * Checks who is named, without asking anybody.
 *
 * @throws ImgkitError with `UNSUPPORTED` for a kind that Google has no word for, `INVALID_ARGUMENT` for an id that
 *   can't be right.
 */
export function checkPrincipal(principal: Principal): void {
  const { kind } = principal;
  if (!principalKinds.includes(kind))
    throw new ImgkitError('UNSUPPORTED', `images can't be shared with a ${kind} on Google Cloud`, {
      hint: `Share them with one of these: ${principalKinds.join(', ')}.`,
    });
  if (principal.kind === 'everyone') return;
  const { id } = principal;
  if (id === 'allUsers')
    throw new ImgkitError('INVALID_ARGUMENT', 'Google doesn’t let images be shared with allUsers', {
      hint: 'everyone() stands for all who are signed in to Google: the widest there is.',
    });
  if (typeof id !== 'string' || !patterns[principal.kind].test(id))
    throw new ImgkitError('INVALID_ARGUMENT', `"${id}" can't be the id of a ${kind}`, {
      hint: 'Give an address such as ci@acme.iam.gserviceaccount.com, a domain, or a project’s id or number.',
    });
}

/** Whom IAM is to name for a principal. */
export async function membersOf(
  context: GceContext,
  principal: Principal,
  options?: CallOptions,
): Promise<readonly string[]> {
  if (principal.kind === 'everyone') return [anyoneSignedIn];
  if (principal.kind !== 'project') return [prefixes[principal.kind] + principal.id];
  const number = await projectNumber(context, principal.id, options);
  return [
    `principalSet://cloudresourcemanager.googleapis.com/projects/${number}/type/ServiceAccount`,
    `serviceAccount:${number}@cloudservices.gserviceaccount.com`,
  ];
}

/** Whom IAM's members stand for, each once; those that imgkit has no word for are left out, and told the logger. */
export async function principalsOf(
  context: GceContext,
  members: readonly string[],
  options?: CallOptions,
): Promise<readonly Principal[]> {
  const numbers = new Set(members.map((member) => projectSet.exec(member)?.[1]));
  const principals: Principal[] = [];
  const unnamed: string[] = [];
  for (const member of new Set(members)) {
    const [, number] = projectSet.exec(member) ?? [];
    const [, agent] = groupAgent.exec(member) ?? [];
    if (number !== undefined)
      principals.push({ kind: 'project', id: await projectId(context, number, options) });
    else if (member === anyoneSignedIn) principals.push({ kind: 'everyone' });
    else if (agent === undefined || !numbers.has(agent)) {
      const principal = byAddress(member);
      if (principal === undefined) unnamed.push(member);
      else principals.push(principal);
    }
  }
  if (unnamed.length > 0)
    context.logger.warn('some who have access can’t be named as principals, and are left out', {
      members: unnamed,
    });
  return principals;
}

function byAddress(member: string): Principal | undefined {
  for (const kind of ['user', 'group', 'service-account', 'domain'] as const)
    if (member.startsWith(prefixes[kind])) return { kind, id: member.slice(prefixes[kind].length) };
  return undefined;
}

/** IAM names projects by number; Compute Engine tells it in the name of the project's own service account. */
async function projectNumber(
  context: GceContext,
  project: string,
  options?: CallOptions,
): Promise<string> {
  if (/^\d+$/.test(project)) return project;
  const hint = `Name the project by its number: project('123456789012').`;
  const call = { service: 'projects', method: 'get', request: { project } } as const;
  const native = await context.client.read(call, options).catch((error: unknown) => {
    if (!ImgkitError.is(error, 'NOT_FOUND') && !ImgkitError.is(error, 'PERMISSION_DENIED'))
      throw error;
    throw new ImgkitError('FAILED_PRECONDITION', `the number of project "${project}" isn't known`, {
      resource: project,
      hint,
      providerCode: error.providerCode,
      cause: error,
    });
  });
  const [, number] = /^(\d+)-compute@/.exec(text(native, 'defaultServiceAccount') ?? '') ?? [];
  if (number !== undefined) return number;
  throw new ImgkitError('FAILED_PRECONDITION', `the number of project "${project}" isn't known`, {
    resource: project,
    hint,
  });
}

/** The id of a project; its number if it may not be asked for. */
async function projectId(
  context: GceContext,
  number: string,
  options?: CallOptions,
): Promise<string> {
  try {
    const call = { service: 'projects', method: 'get', request: { project: number } } as const;
    return text(await context.client.read(call, options), 'name') ?? number;
  } catch (error) {
    if (!ImgkitError.is(error, 'NOT_FOUND') && !ImgkitError.is(error, 'PERMISSION_DENIED'))
      throw error;
    return number;
  }
}
