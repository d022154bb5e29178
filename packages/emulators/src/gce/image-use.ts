import { objectOf, textOf } from '../control-plane/json.ts';
import type { Call } from './call.ts';
import { forbidden, invalid, notFound, resourceNotReady } from './errors.ts';
import type { Warning } from './operations.ts';
import { imageType } from './resources.ts';
import type { Project, Stored } from './state.ts';

/** An image that something is made of, with what the operation has to warn of. */
export interface UsedImage {
  readonly image: Stored;
  readonly warnings: readonly Warning[];
}

/**
 * The image that a field names, itself or by its family, for new use: the caller must have the permission
 * `compute.images.useReadOnly`, and the image must be READY, and neither OBSOLETE nor DELETED.
 *
 * @throws {@link ApiError} otherwise.
 */
export function useImage(call: Call, field: string, text: string): UsedImage {
  const permission = 'compute.images.useReadOnly';
  const reference = call.refer(field, text, 'images', 'global');
  let image: Stored;
  if (reference.family) {
    const link = `projects/${reference.project}/global/images/family/${reference.name}`;
    const project = call.world.projects.get(reference.project);
    const head = project && familyHead(project, reference.name);
    if (head) call.permit(permission, head);
    else if (!project || !call.permitted(permission, project)) throw forbidden(permission, link);
    if (!head) throw notFound(link);
    image = head;
  } else {
    image = call.referred(field, text, imageType, permission, 'global');
  }
  if (image.resource['status'] !== 'READY') throw resourceNotReady(image.link);
  return { image, warnings: warningsOf(field, image) };
}

function warningsOf(field: string, image: Stored): Warning[] {
  const deprecated = objectOf(image.resource, 'deprecated');
  const replacement = textOf(deprecated, 'replacement');
  const suggestion = replacement ? ` A suggested replacement is '${replacement}'.` : '';
  switch (textOf(deprecated, 'state')) {
    case 'DEPRECATED':
      return [
        {
          code: 'DEPRECATED_RESOURCE_USED',
          message: `The resource '${image.link}' is deprecated.${suggestion}`,
          data: {
            resource_name: image.link,
            ...(replacement ? { recommended_resource_name: replacement } : {}),
          },
        },
      ];
    case 'OBSOLETE':
      throw invalid(field, image.link, `The referenced image resource is obsolete.${suggestion}`);
    case 'DELETED':
      throw invalid(field, image.link, `The referenced image resource is deleted.${suggestion}`);
    default:
      return [];
  }
}

/**
 * The head of a family: its newest image that is READY and not deprecated.
 *
 * @param zone - counts only the images that are rolled out there.
 */
export function familyHead(project: Project, family: string, zone?: string): Stored | undefined {
  const eligible = imageType.all(project).filter(({ name, resource }) => {
    const state = textOf(objectOf(resource, 'deprecated'), 'state') ?? 'ACTIVE';
    const zones = zone === undefined ? undefined : project.rollouts.get(name);
    return (
      resource['family'] === family &&
      resource['status'] === 'READY' &&
      state === 'ACTIVE' &&
      (zones === undefined || zone === undefined || zones.has(zone))
    );
  });
  // Insertion order is the order of creation, also within a millisecond.
  return eligible.at(-1);
}
