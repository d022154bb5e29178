import type { Grant, Sharing } from '../../spec/capabilities/sharing.ts';
import { ImgkitError } from '../../spec/errors.ts';
import { formatPrincipal, type Principal } from '../../spec/principal.ts';
import type { MemoryContext } from './context.ts';
import { notFound } from './creation.ts';
import { grantsOf, reaches, samePrincipal } from './grants.ts';
import { ownImage } from './image-access.ts';
import { resourceName } from './rules.ts';

/** Lets other projects use images of a memory cloud. */
export function memorySharing(context: MemoryContext): Sharing {
  const traits = context.cloud.traits.sharing;
  const sharing: Sharing = {
    traits,
    grant: (id, principals, options = {}) =>
      context.call('sharing.grant', id, options, () => {
        const grants = grantsOf(context, ownImage(context, id));
        for (const principal of principals) checkPrincipal(context, principal);
        if (traits.unit !== 'image' && options.allowWider !== true) throw tooWide(traits.unit, id);
        for (const principal of principals) {
          if (grants.some((grant) => samePrincipal(grant.principal, principal))) continue;
          const waits = traits.consumerAccepts && principal.kind === 'project';
          const state = waits ? 'PENDING' : 'ACTIVE';
          grants.push({ principal, reach: traits.unit, state });
        }
      }),
    async *list(id, options = {}) {
      yield* await context.call('sharing.list', id, options, () => [
        ...grantsOf(context, ownImage(context, id)),
      ]);
    },
    revoke: (id, principals, options = {}) =>
      context.call('sharing.revoke', id, options, () => {
        const grants = grantsOf(context, ownImage(context, id));
        const kept = grants.filter(
          (grant) => !principals.some((principal) => samePrincipal(grant.principal, principal)),
        );
        grants.splice(0, grants.length, ...kept);
      }),
  };
  if (!traits.consumerAccepts) return sharing;
  return {
    ...sharing,
    accept: (id, options = {}) =>
      context.call('sharing.accept', id, options, () => answer(context, id, 'ACTIVE')),
    reject: (id, options = {}) =>
      context.call('sharing.reject', id, options, () => answer(context, id, 'REJECTED')),
  };
}

/** Answers, as the consumer, the offer of an image. */
function answer(context: MemoryContext, id: string, state: Grant['state']): void {
  const row = context.cloud.images.get(id);
  const grants = row === undefined ? [] : grantsOf(context, row);
  const index = grants.findIndex(
    ({ principal }) => principal.kind === 'project' && reaches(principal, context.project),
  );
  const offered = grants[index];
  if (offered === undefined) throw notFound('offer of image', id);
  grants[index] = { ...offered, state };
}

function checkPrincipal({ cloud }: MemoryContext, principal: Principal): void {
  const { principals } = cloud.traits.sharing;
  if (!principals.includes(principal.kind)) {
    throw new ImgkitError('UNSUPPORTED', `images can't be shared with a ${principal.kind} here`, {
      hint: `Share them with one of these: ${principals.join(', ')}.`,
    });
  }
  if (principal.kind === 'everyone') return;
  const valid =
    principal.kind === 'project'
      ? resourceName.pattern.test(principal.id)
      : /^[^@\s]+(?:@[^@\s]+)?$/.test(principal.id);
  if (valid) return;
  throw new ImgkitError('INVALID_ARGUMENT', `"${formatPrincipal(principal)}" can't be right`, {
    hint:
      principal.kind === 'project'
        ? `The id of a project is ${resourceName.description}.`
        : 'Write the address without spaces.',
  });
}

function tooWide(unit: string, id: string): ImgkitError {
  return new ImgkitError('FAILED_PRECONDITION', `only a whole ${unit} can be shared here`, {
    resource: id,
    hint: `Set allowWider to share the image's ${unit}, with all the images in it.`,
  });
}
