import {
  ImgkitError,
  type CallOptions,
  type Grant,
  type GrantOptions,
  type Principal,
  type Sharing,
  type SharingTraits,
  type SharingUnit,
} from '@imgkit/core';

import type { GceContext } from './context.ts';
import { readImage } from './images/image-changes.ts';
import { checkPrincipal, membersOf, principalKinds, principalsOf } from './sharing/iam-members.ts';
import {
  changeMembers,
  membersUnderCondition,
  membersWithout,
  policyOfImage,
  readPolicy,
  type PolicyHolder,
} from './sharing/iam-policy.ts';

/**
 * Shares images through IAM: their users get the role `roles/compute.imageUser`. A project stands for all its
 * service accounts, which its machines and automation are; its people are named as users or groups. What is under a
 * condition is shown, and never touched.
 */
export class GceSharing implements Sharing {
  readonly traits: SharingTraits;
  readonly #context: GceContext;
  readonly #holder: (id: string) => PolicyHolder;

  /** @param project - The policy of the whole project, when that is what is shared. */
  constructor(context: GceContext, project?: PolicyHolder) {
    this.#context = context;
    this.#holder = (id) => project ?? policyOfImage(context, id);
    const unit: SharingUnit = project === undefined ? 'image' : 'project';
    this.traits = {
      unit,
      principals: principalKinds,
      consumerAccepts: false,
      consumerLists: project !== undefined,
    };
  }

  async grant(id: string, principals: readonly Principal[], options?: GrantOptions): Promise<void> {
    await this.#context.call('sharing.grant', id, options, async () => {
      const { unit } = this.traits;
      principals.forEach(checkPrincipal);
      if (unit !== 'image' && options?.allowWider !== true)
        throw new ImgkitError(
          'FAILED_PRECONDITION',
          `this would share every image of the ${unit}`,
          {
            resource: id,
            hint: 'Say { allowWider: true } if that is meant, or share by image.',
          },
        );
      await changeMembers(
        await this.#holderOf(id, options),
        async (members) => [
          ...new Set([...members, ...(await this.#members(principals, options))]),
        ],
        options,
      );
    });
  }

  async *list(id: string, options?: CallOptions): AsyncGenerator<Grant, void, undefined> {
    const context = this.#context;
    const principals = await context.call('sharing.list', id, options, async () => {
      const policy = await readPolicy(await this.#holderOf(id, options), options);
      const members = [...membersWithout(policy), ...membersUnderCondition(policy)];
      return principalsOf(context, members, options);
    });
    for (const principal of principals)
      yield { principal, reach: this.traits.unit, state: 'ACTIVE' };
  }

  async revoke(
    id: string,
    principals: readonly Principal[],
    options?: GrantOptions,
  ): Promise<void> {
    await this.#context.call('sharing.revoke', id, options, async () => {
      principals.forEach(checkPrincipal);
      let taken: readonly string[] = [];
      const policy = await changeMembers(
        await this.#holderOf(id, options),
        async (members) => {
          taken = await this.#members(principals, options);
          return members.filter((member) => !taken.includes(member));
        },
        options,
      );
      const left = membersUnderCondition(policy).filter((member) => taken.includes(member));
      if (left.length > 0)
        this.#context.logger.warn('some may still use the image, under a condition of the policy', {
          image: id,
          members: left,
        });
    });
  }

  /** The policy that a grant for the image is in. Sharing a whole project asks for the image too, as any call. */
  async #holderOf(id: string, options?: CallOptions): Promise<PolicyHolder> {
    if (this.traits.unit !== 'image') await readImage(this.#context, id, options);
    return this.#holder(id);
  }

  async #members(
    principals: readonly Principal[],
    options?: CallOptions,
  ): Promise<readonly string[]> {
    const members: string[] = [];
    for (const principal of principals)
      members.push(...(await membersOf(this.#context, principal, options)));
    return members;
  }
}
