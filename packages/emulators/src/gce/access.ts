import { textOf } from '../control-plane/json.ts';
import { forbidden } from './errors.ts';
import { permits, type Caller } from './iam.ts';
import type { Project, Stored, World } from './state.ts';

/** What a caller may do. One without credentials owns everything. */
export interface Access {
  permitted(permission: string, on: Project | Stored): boolean;
  /** Answers 403 unless the caller has the permission. */
  permit(permission: string, on: Project | Stored): void;
}

export function createAccess(world: World, caller: Caller): Access {
  const permitted = (permission: string, on: Project | Stored): boolean => {
    if (caller === undefined) return true;
    const stored = 'link' in on ? on : undefined;
    const kind = (textOf(stored?.resource, 'kind') ?? 'compute#project').replace('compute#', '');
    const policies = 'link' in on ? [on.policy, on.project.policy] : [on.policy];
    return permits(policies, caller, permission, world.directory, {
      now: world.clock.now(),
      resource: nameOf(on),
      resourceType: `compute.googleapis.com/${kind.charAt(0).toUpperCase()}${kind.slice(1)}`,
    });
  };
  return {
    permitted,
    permit(permission, on) {
      if (!permitted(permission, on)) throw forbidden(permission, nameOf(on));
    },
  };
}

function nameOf(on: Project | Stored): string {
  return 'link' in on ? on.link : `projects/${on.id}`;
}
