/** Who may use an image. The kinds a provider knows are in its sharing traits. */
export type Principal =
  | { readonly kind: 'project'; readonly id: string }
  | { readonly kind: 'user'; readonly id: string }
  | { readonly kind: 'group'; readonly id: string }
  | { readonly kind: 'service-account'; readonly id: string }
  | { readonly kind: 'domain'; readonly id: string }
  | { readonly kind: 'everyone' };

/** The kinds of {@link Principal}. */
export type PrincipalKind = Principal['kind'];

/**
 * An account of the cloud: a project, a subscription, a tenant.
 *
 * @example
 * ```ts
 * import { createImgkit, parseRef, project } from '@imgkit/core';
 * import { qemu } from '@imgkit/qemu';
 *
 * await using kit = await createImgkit({ providers: [qemu()] });
 * await kit.sharing.grant(parseRef('qemu:projects/default/images/web-1'), [project('team-a')]);
 * ```
 */
export function project(id: string): Principal {
  return { kind: 'project', id };
}

/** One person, by the address the cloud knows them by. */
export function user(id: string): Principal {
  return { kind: 'user', id };
}

/** A group of people, by its address. */
export function group(id: string): Principal {
  return { kind: 'group', id };
}

/** A machine identity, by its address or object id. */
export function serviceAccount(id: string): Principal {
  return { kind: 'service-account', id };
}

/** Everybody of an organization's domain. */
export function domain(id: string): Principal {
  return { kind: 'domain', id };
}

/** Everybody who has an account with the cloud. */
export function everyone(): Principal {
  return { kind: 'everyone' };
}

/** The text form of a principal: `project:team-a`, `everyone`. */
export function formatPrincipal(principal: Principal): string {
  return principal.kind === 'everyone' ? 'everyone' : `${principal.kind}:${principal.id}`;
}
