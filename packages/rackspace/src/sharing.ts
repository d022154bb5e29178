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

import { notFound, statusOf } from './errors.ts';
import type { MemberStatus } from './glance/glance.ts';
import { toGrant } from './mapping.ts';
import type { CloudContext } from './resources/context.ts';
import { changeImage, knownImage, ownImage } from './resources/image-access.ts';
import { invalid } from './resources/rules.ts';

/** Keystone's ids: 32 or 64 hexadecimal digits, or a UUID. */
const projectId = /^(?:[0-9a-f]{32}|[0-9a-f]{64}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/;
/** The accounts of the classic Rackspace cloud. */
const accountNumber = /^\d{4,12}$/;

/**
 * Shares images as Glance does: the owner adds a project to the image's members, and the project accepts.
 * A member that hasn't accepted can still use the image by its id through other tools, so that only its
 * removal takes a grant back.
 *
 * Glance takes any id. So one that is no id by its form is refused here, and one that no project has where Keystone
 * tells; most clouds tell administrators alone, and then the form is all that is checked.
 */
export class RackspaceSharing implements Sharing {
  readonly traits: SharingTraits;
  readonly #context: CloudContext;
  readonly #everyone: 'community' | 'public';

  constructor(context: CloudContext, everyone: 'community' | 'public') {
    this.#context = context;
    this.#everyone = everyone;
    // The classic Rackspace cloud knows no community, and shows in everyone's lists only what is its own.
    const principals: PrincipalKind[] = context.glance.usesTasks
      ? ['project']
      : ['project', 'everyone'];
    this.traits = { unit: 'image', principals, consumerAccepts: true };
  }

  async grant(id: string, principals: readonly Principal[], options?: GrantOptions): Promise<void> {
    const context = this.#context;
    await context.call('sharing.grant', id, options, async () => {
      const { visibility } = await ownImage(context, id, options);
      this.#check(principals);
      const isOpen = visibility === 'community' || visibility === 'public';
      const named = principals.flatMap((one) => (one.kind === 'project' ? [one.id] : []));
      const projects = [...new Set(named)];
      await this.#checkStanding(projects, options);
      if (projects.length > 0 && !isOpen) {
        // Older clouds share an image by its members alone.
        if (await context.glance.isModern(options))
          await changeImage(context, id, () => ({ visibility: 'shared' }), options);
        for (const project of projects) await this.#add(id, project, options);
      }
      if (principals.some(({ kind }) => kind === 'everyone') && !isOpen)
        await changeImage(context, id, () => ({ visibility: this.#everyone }), options);
    });
  }

  async *list(id: string, options?: CallOptions): AsyncGenerator<Grant, void, undefined> {
    const context = this.#context;
    const grants = await context.call('sharing.list', id, options, async (): Promise<Grant[]> => {
      // A consumer sees its own grant, also before it has accepted.
      const { visibility } = await knownImage(context, id, options);
      const members = await context.glance.members(id, options).catch((error: unknown) => {
        // Only shared images have members.
        if (statusOf(error) === 403 || statusOf(error) === 404) return [];
        throw error;
      });
      const isOpen = visibility === 'community' || visibility === 'public';
      return [
        ...members.map(toGrant),
        ...(isOpen
          ? [
              {
                principal: { kind: 'everyone' as const },
                reach: 'image' as const,
                state: 'ACTIVE' as const,
              },
            ]
          : []),
      ];
    });
    yield* grants;
  }

  async revoke(
    id: string,
    principals: readonly Principal[],
    options?: GrantOptions,
  ): Promise<void> {
    const context = this.#context;
    await context.call('sharing.revoke', id, options, async () => {
      const { visibility } = await ownImage(context, id, options);
      this.#check(principals);
      const isOpen = visibility === 'community' || visibility === 'public';
      if (principals.some(({ kind }) => kind === 'everyone') && isOpen)
        await changeImage(context, id, () => ({ visibility: 'shared' }), options);
      for (const principal of principals) {
        if (principal.kind !== 'project') continue;
        await context.glance.removeMember(id, principal.id, options).catch((error: unknown) => {
          if (statusOf(error) !== 404) throw error;
        });
      }
    });
  }

  accept(id: string, options?: CallOptions): Promise<void> {
    return this.#answer('sharing.accept', id, 'accepted', options);
  }

  reject(id: string, options?: CallOptions): Promise<void> {
    return this.#answer('sharing.reject', id, 'rejected', options);
  }

  async #answer(
    operation: string,
    id: string,
    status: MemberStatus,
    options: CallOptions | undefined,
  ): Promise<void> {
    const context = this.#context;
    await context.call(operation, id, options, async () => {
      const { owner } = await knownImage(context, id, options);
      if (owner === context.project)
        throw new ImgkitError('FAILED_PRECONDITION', `image "${id}" is this project's own`, {
          resource: id,
          hint: 'It is accepted by the project that it was shared with.',
        });
      try {
        await context.glance.answer(id, context.project, status, options);
      } catch (error) {
        throw ImgkitError.is(error, 'NOT_FOUND') ? notFound('shared image', id) : error;
      }
    });
  }

  async #add(id: string, project: string, options: CallOptions | undefined): Promise<void> {
    try {
      await this.#context.glance.addMember(id, project, options);
    } catch (error) {
      // It is one already.
      if (statusOf(error) !== 409) throw error;
    }
  }

  /** Asks Keystone, as far as it tells: most users may ask for their own project alone. */
  async #checkStanding(projects: readonly string[], options?: CallOptions): Promise<void> {
    const { keystone, glance } = this.#context;
    // Identity v2.0 shows nobody the accounts of others.
    if (glance.usesTasks) return;
    const known = await Promise.all(projects.map((id) => keystone.hasProject(id, options)));
    const missing = projects.filter((_, index) => known[index] === false);
    if (missing.length === 0) return;
    throw invalid(
      `there is no project ${missing.map((id) => `"${id}"`).join(', ')}`,
      'Ask who shall have the image for its id: openstack project show -f value -c id <name>.',
    );
  }

  /** Glance takes any text for a project, and tells nobody. */
  #check(principals: readonly Principal[]): void {
    const known = this.traits.principals;
    for (const { kind } of principals) {
      if (known.includes(kind)) continue;
      throw new ImgkitError('UNSUPPORTED', `images can't be shared with a ${kind} here`, {
        hint: `Share them with one of these: ${known.join(', ')}.`,
      });
    }
    const isAccount = accountNumber.test(this.#context.project);
    for (const principal of principals) {
      if (principal.kind !== 'project') continue;
      const { id } = principal;
      if (isAccount && !accountNumber.test(id))
        throw invalid(`"${id}" is no account number`, 'Give the number of the account.');
      if (!isAccount && !projectId.test(id))
        throw invalid(
          `"${id}" is no project's id`,
          'Give the id, not the name: openstack project show -f value -c id <name>.',
        );
      if (id === this.#context.project)
        throw invalid(`"${id}" is the project that owns the image`, 'Name another one.');
    }
  }
}
