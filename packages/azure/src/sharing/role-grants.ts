import { createHash } from 'node:crypto';

import {
  ImgkitError,
  type CallOptions,
  type Grant,
  type Principal,
  type PrincipalKind,
} from '@imgkit/core';

import type { RoleAssignment } from '../client.ts';
import type { AzureContext } from '../context.ts';
import { invalid } from '../images/image-request.ts';
import { sameName } from '../resources/names.ts';
import { definitionOf, formatId, type ResourceId } from '../resources/resource-id.ts';
import type { SharingWay } from './sharing-way.ts';

/** Compute Gallery Image Reader: https://learn.microsoft.com/azure/role-based-access-control/built-in-roles/compute */
const imageReader = 'cf7c76d2-98a3-4358-a134-615aa78bf44d';

type Named = Extract<Principal, { readonly kind: 'user' | 'group' | 'service-account' }>;

/** What Azure calls the kinds of principals. */
const types: Readonly<Record<Named['kind'], string>> = {
  user: 'User',
  group: 'Group',
  'service-account': 'ServicePrincipal',
};
const kinds: Readonly<Record<string, Named['kind']>> = {
  User: 'user',
  Group: 'group',
  ForeignGroup: 'group',
  ServicePrincipal: 'service-account',
};
const guid = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** Shares by a role at the image's definition, or at the whole gallery. Principals are told by their ids in Entra ID. */
export class RoleGrants implements SharingWay {
  readonly unit: 'family' | 'gallery';
  readonly principals: readonly PrincipalKind[] = ['user', 'group', 'service-account'];
  readonly consumerLists = true;
  readonly #context: AzureContext;

  constructor(context: AzureContext, unit: 'family' | 'gallery') {
    this.unit = unit;
    this.#context = context;
  }

  scopeOf(version: ResourceId): string {
    const definition = definitionOf(version);
    return formatId(this.unit === 'gallery' ? galleryOf(version) : definition);
  }

  check(principals: readonly Principal[]): void {
    checkPrincipals(principals);
  }

  async grant(
    version: ResourceId,
    principals: readonly Principal[],
    options?: CallOptions,
  ): Promise<void> {
    const scope = this.scopeOf(version);
    for (const { kind, id } of checkPrincipals(principals))
      await giveRole(this.#context, assignmentOf(scope, id, types[kind]), options);
  }

  async *list(version: ResourceId, options?: CallOptions): AsyncGenerator<Grant> {
    for await (const { principal, principalType } of this.#assignments(version, options)) {
      const kind = kinds[principalType];
      if (kind !== undefined)
        yield { principal: { kind, id: principal }, reach: this.unit, state: 'ACTIVE' };
    }
  }

  async revoke(
    version: ResourceId,
    principals: readonly Principal[],
    options?: CallOptions,
  ): Promise<void> {
    const taken = new Set(checkPrincipals(principals).map((one) => one.id.toLowerCase()));
    for await (const assignment of this.#assignments(version, options))
      if (taken.has(assignment.principal.toLowerCase()))
        await this.#context.client.unassign(assignment, options);
  }

  #assignments(version: ResourceId, options?: CallOptions): AsyncGenerator<RoleAssignment> {
    return readersAt(this.#context, this.scopeOf(version), options);
  }
}

/** The gallery of a version. */
export function galleryOf(version: ResourceId): ResourceId {
  return { ...version, type: 'Microsoft.Compute/galleries', names: version.names.slice(0, 1) };
}

/** Those who have the role at exactly the scope; those above it have it anyway. */
export async function* readersAt(
  { client }: AzureContext,
  scope: string,
  options?: CallOptions,
): AsyncGenerator<RoleAssignment> {
  for await (const assignment of client.assignments(scope, options))
    if (sameName(assignment.scope, scope) && assignment.role === imageReader) yield assignment;
}

/** Gives a role; who has it, keeps it. */
export async function giveRole(
  { client }: AzureContext,
  assignment: RoleAssignment,
  options?: CallOptions,
): Promise<void> {
  try {
    await client.assign(assignment, options);
  } catch (error) {
    // Somebody else gave the same role under a name of his own.
    if (!ImgkitError.is(error) || error.providerCode !== 'RoleAssignmentExists') throw error;
  }
}

/** Those to whom a role can be given: first their kinds, then their ids. */
function checkPrincipals(principals: readonly Principal[]): readonly Named[] {
  const named = principals.map((principal) => {
    if (isNamed(principal)) return principal;
    throw new ImgkitError('UNSUPPORTED', `a role can't be given to a ${principal.kind} here`, {
      hint: `Share with one of these: ${Object.keys(types).join(', ')}.`,
    });
  });
  const wrong = named.find(({ id }) => !guid.test(id));
  if (wrong === undefined) return named;
  throw invalid(
    `"${wrong.id}" isn't the object id of a ${wrong.kind}`,
    'Give its object id in Entra ID, a GUID: az ad user show --id … --query id.',
  );
}

function isNamed(principal: Principal): principal is Named {
  return Object.hasOwn(types, principal.kind);
}

/** An assignment whose name follows from what it says: however often it is made, it is one. */
export function assignmentOf(
  scope: string,
  principal: string,
  principalType: string,
): RoleAssignment {
  const text = [scope, principal, imageReader].join(' ').toLowerCase();
  const hex = createHash('sha256').update(`imgkit ${text}`).digest('hex');
  const name = [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `8${hex.slice(13, 16)}`, // version 8: a name of one's own making
    `a${hex.slice(17, 20)}`,
    hex.slice(20, 32),
  ].join('-');
  const id = `${scope}/providers/Microsoft.Authorization/roleAssignments/${name}`;
  return { id, scope, role: imageReader, principal, principalType };
}
