import type { RoleAssignment } from '../client.ts';
import { text, type WireObject } from './wire.ts';

/** The subscription that a scope is in. */
export function subscriptionOf(scope: string): string {
  return scope.split('/')[2] ?? '';
}

/** The name that an id ends with. */
export function nameOf(id: string): string {
  return id.split('/').at(-1) ?? '';
}

/** A role assignment as the SDK gives it. */
export function toAssignment(native: WireObject): RoleAssignment {
  return {
    id: text(native, 'id') ?? '',
    scope: text(native, 'scope') ?? '',
    role: (text(native, 'roleDefinitionId')?.split('/').at(-1) ?? '').toLowerCase(),
    principal: text(native, 'principalId') ?? '',
    principalType: text(native, 'principalType') ?? 'User',
  };
}
