import {
  formatPrincipal,
  ImgkitError,
  type CallOptions,
  type Grant,
  type GrantOptions,
  type Principal,
  type PrincipalKind,
  type Sharing,
  type SharingTraits,
} from '@imgkit/core';

import { toPrincipal } from './mapping.ts';
import type { LocalContext } from './resources/context.ts';
import { changeImage, ownImage } from './resources/image-access.ts';
import { checkName } from './resources/rules.ts';

const principalKinds: readonly PrincipalKind[] = ['project', 'everyone'];

/** Shares images between the projects of a store. `everyone` is every project of the store. */
export class QemuSharing implements Sharing {
  readonly traits: SharingTraits = {
    unit: 'image',
    principals: principalKinds,
    consumerAccepts: false,
  };
  readonly #context: LocalContext;

  constructor(context: LocalContext) {
    this.#context = context;
  }

  async grant(id: string, principals: readonly Principal[], options?: GrantOptions): Promise<void> {
    await this.#change('sharing.grant', id, principals, options, (grants, given) => [
      ...new Set([...grants, ...given]),
    ]);
  }

  async *list(id: string, options?: CallOptions): AsyncGenerator<Grant, void, undefined> {
    const context = this.#context;
    const grants = await context.call('sharing.list', id, options, (store) => [
      ...ownImage(context, store, id).doc.grants,
    ]);
    for (const grant of grants)
      yield { principal: toPrincipal(grant), reach: 'image', state: 'ACTIVE' };
  }

  async revoke(
    id: string,
    principals: readonly Principal[],
    options?: GrantOptions,
  ): Promise<void> {
    await this.#change('sharing.revoke', id, principals, options, (grants, taken) =>
      grants.filter((grant) => !taken.includes(grant)),
    );
  }

  async #change(
    operation: string,
    id: string,
    principals: readonly Principal[],
    options: GrantOptions | undefined,
    change: (grants: readonly string[], named: readonly string[]) => string[],
  ): Promise<void> {
    const context = this.#context;
    await context.call(operation, id, options, (store) => {
      for (const principal of principals) checkPrincipal(principal);
      const named = principals.map(formatPrincipal);
      changeImage(context, store, id, ({ doc }) => ({ ...doc, grants: change(doc.grants, named) }));
    });
  }
}

function checkPrincipal(principal: Principal): void {
  if (!principalKinds.includes(principal.kind))
    throw new ImgkitError('UNSUPPORTED', `images can't be shared with a ${principal.kind} here`, {
      hint: `Share them with one of these: ${principalKinds.join(', ')}.`,
    });
  if (principal.kind === 'project') checkName('project', principal.id);
}
