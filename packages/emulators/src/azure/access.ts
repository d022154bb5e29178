import { ArmError } from './errors.ts';
import { idKey } from './resource-id.ts';
import type { World } from './state.ts';

const prefix = 'emulated.';

/** A bearer token that stands for a user, group or service principal, by its object id. */
export function tokenOf(principal: string): string {
  return `${prefix}${Buffer.from(principal).toString('base64url')}`;
}

/** Who asks: undefined without a token of {@link tokenOf}; that is the owner of everything. */
export function callerOf(authorization: string | undefined): string | undefined {
  const token = authorization?.replace(/^Bearer /i, '');
  return token?.startsWith(prefix) === true
    ? Buffer.from(token.slice(prefix.length), 'base64url').toString()
    : undefined;
}

/** What the built-in roles allow, of what is emulated. */
const roles: Readonly<Record<string, (action: string) => boolean>> = {
  '8e3af657-a8ff-443c-a75c-2fe8c4bcb635': () => true, // Owner
  'b24988ac-6180-42a0-ab88-20f7382dd24c': (action) =>
    action.endsWith('/read') || !action.startsWith('Microsoft.Authorization/'), // Contributor
  'acdd72a7-3385-48ef-bd42-f606fba81ae7': (action) => action.endsWith('/read'), // Reader
  'cf7c76d2-98a3-4358-a134-615aa78bf44d': (action) =>
    /^Microsoft\.Compute\/galleries(?:\/images(?:\/versions)?)?\/read$/.test(action), // Compute Gallery Image Reader
};

/** Whether a caller may do something to a resource: by an assignment on it, or on what it is part of. */
function mayDo(world: World, caller: string | undefined, action: string, id: string): boolean {
  if (caller === undefined) return true;
  const key = idKey(id);
  for (const { scope, principal, role } of world.assignments.values()) {
    const covers = key === idKey(scope) || key.startsWith(`${idKey(scope)}/`);
    const same = idKey(principal) === idKey(caller);
    if (covers && same && roles[role]?.(action) === true) return true;
  }
  return false;
}

/** Answers 403 unless the caller may do it. */
export function permit(world: World, caller: string | undefined, action: string, id: string): void {
  if (mayDo(world, caller, action, id)) return;
  throw new ArmError(
    403,
    'AuthorizationFailed',
    `The client '${caller}' with object id '${caller}' does not have authorization to perform action '${action}' over scope '${id}' or the scope is invalid. If access was recently granted, please refresh your credentials.`,
  );
}

/** Answers 403 unless the caller may read what a new resource is made of. */
export function permitSource(
  world: World,
  caller: string | undefined,
  action: string,
  id: string,
): void {
  if (mayDo(world, caller, action, id)) return;
  throw new ArmError(
    403,
    'LinkedAuthorizationFailed',
    `The client '${caller}' has permission to perform the action on the scope, however it does not have permission to perform action '${action}' on the linked scope '${id}' or the linked scope is invalid.`,
  );
}
