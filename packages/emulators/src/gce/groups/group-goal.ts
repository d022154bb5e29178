import { objectOf, type JsonObject } from '../../control-plane/json.ts';
import { selfLink } from '../links.ts';
import { instanceTemplateType } from '../resources.ts';
import type { Project } from '../state.ts';
import { allowedDisruption, disruptionBetween } from './disruption.ts';
import type { Disruption, GroupGoal, GroupVersion } from './group-model.ts';
import type { GroupRecord } from './group-record.ts';
import { calculated } from './update-policy.ts';
import { sharesOf } from './versions.ts';

/** What a group's owner wants of it now. */
export function goalOf(group: GroupRecord): GroupGoal {
  const { shape, updatePolicy, versions } = group;
  const { size, zones } = shape;
  const maxUnavailable = calculated(updatePolicy.maxUnavailable, size);
  const { minimalAction, mostDisruptiveAllowedAction: most } = updatePolicy;
  return {
    size,
    zones,
    versions: sharesOf(versions, size),
    proactive: updatePolicy.type === 'PROACTIVE',
    maxSurge: calculated(updatePolicy.maxSurge, size),
    maxUnavailable,
    recreate: updatePolicy.replacementMethod === 'RECREATE',
    disruption(from, to) {
      const needed = neededDisruption(group.project, from, to);
      const disruption = allowedDisruption(needed, minimalAction, most);
      // A restart takes a machine away for a while: where none may be missing, a new one comes first.
      const instead = maxUnavailable === 0 && disruption === 'RESTART' && most === 'REPLACE';
      return instead ? 'REPLACE' : disruption;
    },
  };
}

/** What it takes at least to bring a machine from one version to another. */
export function neededDisruption(
  project: Project,
  from: GroupVersion,
  to: GroupVersion,
): Disruption {
  if (from.template === to.template) return 'NONE';
  const [before, after] = [from, to].map(({ template }) => templateProperties(project, template));
  return before && after ? disruptionBetween(before, after) : 'REPLACE';
}

/** What machines of a template have. */
export function templateProperties(project: Project, url: string): JsonObject | undefined {
  const template = instanceTemplateType.all(project).find(({ link }) => selfLink(link) === url);
  return objectOf(template?.resource, 'properties');
}
