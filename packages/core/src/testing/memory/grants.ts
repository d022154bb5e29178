import type { Grant } from '../../spec/capabilities/sharing.ts';
import { formatPrincipal, type Principal } from '../../spec/principal.ts';
import type { MemoryContext } from './context.ts';
import type { ImageRow } from './records.ts';

/** The grants that reach an image: those of the cloud's unit of sharing that it belongs to. */
export function grantsOf(context: MemoryContext, row: ImageRow): Grant[] {
  const { grants } = context.cloud;
  const key = sharedKey(context, row);
  const known = grants.get(key) ?? [];
  grants.set(key, known);
  return known;
}

/** What is shared when an image is. */
function sharedKey({ cloud }: MemoryContext, row: ImageRow): string {
  switch (cloud.traits.sharing.unit) {
    case 'image':
      return row.id;
    case 'family':
      return `projects/${row.project}/families/${row.family ?? ''}`;
    case 'gallery':
    case 'project':
      return `projects/${row.project}`;
  }
}

/** Whether a grant lets the provider's project use an image. */
export function isShared(context: MemoryContext, row: ImageRow): boolean {
  return grantsOf(context, row).some(
    ({ principal, state }) => state === 'ACTIVE' && reaches(principal, context.project),
  );
}

/** Whether a principal stands for a project. */
export function reaches(principal: Principal, project: string): boolean {
  return (
    principal.kind === 'everyone' || (principal.kind === 'project' && principal.id === project)
  );
}

/** Whether two principals are the same one. */
export function samePrincipal(a: Principal, b: Principal): boolean {
  return formatPrincipal(a) === formatPrincipal(b);
}
