import { createHash } from 'node:crypto';

import {
  ImgkitError,
  type CallOptions,
  type Grant,
  type GrantOptions,
  type Principal,
  type PrincipalKind,
  type Sharing,
  type SharingTraits,
} from '@imgkit/core';

import type { RoleAssignment } from './client.ts';
import type { AzureContext } from './context.ts';
import { invalid } from './image-request.ts';
import { definitionOf, formatId, type ResourceId } from './resource-id.ts';
import { readImage, locateVersion } from './versions.ts';

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

/**
 * Lets others use images by a role at the image's definition, or at the whole gallery. Principals are told by their
 * object ids in Entra ID. A grant reaches every version of the family, also those that come later.
 */
export class AzureSharing implements Sharing {
  readonly traits: SharingTraits;
  readonly #context: AzureContext;

  constructor(context: AzureContext) {
    this.#context = context;
    const principals: readonly PrincipalKind[] = ['user', 'group', 'service-account'];
    this.traits = { unit: context.settings.shareBy, principals, consumerAccepts: false };
  }

  async grant(id: string, principals: readonly Principal[], options?: GrantOptions): Promise<void> {
    const context = this.#context;
    await context.call('sharing.grant', id, options, async () => {
      const scope = await this.#scope(id, options);
      const named = checkPrincipals(principals);
      if (options?.allowWider !== true)
        throw new ImgkitError('FAILED_PRECONDITION', `this would share more than ${id}`, {
          resource: scope,
          hint: `Azure shares by the ${this.traits.unit}: say { allowWider: true } if all of ${scope} is meant.`,
        });
      for (const { kind, id: principal } of named) {
        try {
          await context.client.assign(assignmentOf(scope, principal, types[kind]), options);
        } catch (error) {
          // Somebody else gave the same role under a name of his own.
          if (!ImgkitError.is(error) || error.providerCode !== 'RoleAssignmentExists') throw error;
        }
      }
    });
  }

  list(id: string, options?: CallOptions): AsyncIterable<Grant> {
    const context = this.#context;
    const reach = this.traits.unit;
    const grants = (): AsyncIterable<RoleAssignment> => this.#grants(id, options);
    return context.listing('sharing.list', id, options, async function* shown() {
      for await (const { principal, principalType } of grants()) {
        const kind = kinds[principalType];
        if (kind !== undefined)
          yield { principal: { kind, id: principal }, reach, state: 'ACTIVE' };
      }
    });
  }

  async revoke(
    id: string,
    principals: readonly Principal[],
    options?: GrantOptions,
  ): Promise<void> {
    const context = this.#context;
    await context.call('sharing.revoke', id, options, async () => {
      await this.#scope(id, options);
      const taken = new Set(checkPrincipals(principals).map((one) => one.id.toLowerCase()));
      for await (const assignment of this.#grants(id, options))
        if (taken.has(assignment.principal.toLowerCase()))
          await context.client.unassign(assignment, options);
    });
  }

  /** Those who have the role at exactly the scope; those above it have it anyway. */
  async *#grants(id: string, options?: CallOptions): AsyncGenerator<RoleAssignment> {
    const scope = await this.#scope(id, options);
    for await (const assignment of this.#context.client.assignments(scope, options)) {
      const here = assignment.scope.toLowerCase() === scope.toLowerCase();
      if (here && assignment.role === imageReader) yield assignment;
    }
  }

  /** Where the role is given, if the image stands. */
  async #scope(id: string, options?: CallOptions): Promise<string> {
    const { ref } = await readImage(this.#context, id, options);
    const definition = definitionOf(locateVersion(ref.id));
    const gallery: ResourceId = {
      ...definition,
      type: 'Microsoft.Compute/galleries',
      names: definition.names.slice(0, 1),
    };
    return formatId(this.traits.unit === 'gallery' ? gallery : definition);
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
function assignmentOf(scope: string, principal: string, principalType: string): RoleAssignment {
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
