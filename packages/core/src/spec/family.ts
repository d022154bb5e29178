/** Selects the head of a family: what "latest" means when the selector is used. */
export interface FamilySelector {
  readonly kind: 'family';
  /** The name of the family. */
  readonly family: string;
  /** The project that holds it; the provider's own by default. */
  readonly project?: string | undefined;
}

/**
 * Selects the head of a family.
 *
 * @param name - The name of the family.
 * @param options - `project`: who holds the family, when it's not the provider's own project.
 *
 * @example
 * ```ts
 * import { family } from '@imgkit/core';
 *
 * const base = family('debian-12', { project: 'debian-cloud' });
 * console.log(base.family);
 * ```
 */
export function family(
  name: string,
  options: { readonly project?: string | undefined } = {},
): FamilySelector {
  return { kind: 'family', family: name, project: options.project };
}
