import { ImgkitError, type CallOptions, type Principal } from '@imgkit/core';

import { text } from '../api/wire.ts';
import type { GceContext } from '../context.ts';
import { checkPrincipal, membersOf, principalsOf } from './iam-members.ts';
import {
  changeMembers,
  membersWithout,
  policyOf,
  readPolicy,
  type PolicyHolder,
} from './iam-policy.ts';
import { machineImageKind } from '../resources/kinds.ts';
import { locate } from '../resources/resource-calls.ts';

/** Somebody who has a role on a machine image. */
export interface MachineImageGrant {
  readonly principal: Principal;
  /** The role, as IAM names it: `roles/compute.instanceAdmin.v1`. */
  readonly role: string;
}

const role = /^(?:roles|projects\/[^/]+\/roles|organizations\/[^/]+\/roles)\/[\w.]+$/;

/**
 * Shares machine images through IAM. Google has no role that lets machine images be used and nothing else: the role
 * is for the caller to name. A custom one needs `compute.machineImages.get` and `compute.machineImages.useReadOnly`.
 */
export class GceMachineImageSharing {
  readonly #context: GceContext;

  constructor(context: GceContext) {
    this.#context = context;
  }

  /**
   * Lists who has which role on a machine image itself, without a condition; roles on its project aren't listed.
   *
   * @throws {@link ImgkitError} with `NOT_FOUND`.
   */
  async list(id: string, options?: CallOptions): Promise<readonly MachineImageGrant[]> {
    const context = this.#context;
    return context.call('machineImages.sharing.list', id, options, async () => {
      const policy = await readPolicy(this.#holder(id), options);
      const roles = new Set(policy.bindings.flatMap((binding) => text(binding, 'role') ?? []));
      const grants: MachineImageGrant[] = [];
      for (const one of roles)
        for (const principal of await principalsOf(context, membersWithout(policy, one), options))
          grants.push({ principal, role: one });
      return grants;
    });
  }

  /**
   * Gives principals a role on a machine image; whoever has it already keeps it.
   *
   * @throws {@link ImgkitError} with `INVALID_ARGUMENT` for a role or principal that can't be one, `NOT_FOUND`, or
   *   `PERMISSION_DENIED`.
   */
  async grant(
    id: string,
    grant: { readonly role: string; readonly principals: readonly Principal[] },
    options?: CallOptions,
  ): Promise<void> {
    await this.#change('grant', id, grant, options, (members, named) => [
      ...new Set([...members, ...named]),
    ]);
  }

  /**
   * Takes a role on a machine image from principals; taking what nobody has succeeds.
   *
   * @throws {@link ImgkitError} as {@link GceMachineImageSharing.grant} does.
   */
  async revoke(
    id: string,
    grant: { readonly role: string; readonly principals: readonly Principal[] },
    options?: CallOptions,
  ): Promise<void> {
    await this.#change('revoke', id, grant, options, (members, named) =>
      members.filter((member) => !named.includes(member)),
    );
  }

  async #change(
    call: 'grant' | 'revoke',
    id: string,
    grant: { readonly role: string; readonly principals: readonly Principal[] },
    options: CallOptions | undefined,
    change: (members: readonly string[], named: readonly string[]) => readonly string[],
  ): Promise<void> {
    const context = this.#context;
    await context.call(`machineImages.sharing.${call}`, id, options, async () => {
      if (!role.test(grant.role))
        throw new ImgkitError('INVALID_ARGUMENT', `"${grant.role}" is not a role`, {
          hint: 'Name it as IAM does: roles/compute.instanceAdmin.v1, projects/acme/roles/restorer.',
        });
      grant.principals.forEach(checkPrincipal);
      const named: string[] = [];
      for (const principal of grant.principals)
        named.push(...(await membersOf(context, principal, options)));
      const holder = this.#holder(id);
      await changeMembers(holder, (members) => change(members, named), options, grant.role);
    });
  }

  #holder(id: string): PolicyHolder {
    const { project, name } = locate(machineImageKind, id);
    return policyOf(this.#context, 'machineImages', { project, resource: name });
  }
}
