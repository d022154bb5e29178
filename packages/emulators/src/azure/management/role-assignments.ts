import type { JsonObject } from '../../control-plane/json.ts';
import { objectOf, textOf } from '../../control-plane/json.ts';
import type { Handler } from '../call.ts';
import { ArmError } from '../errors.ts';
import { idKey } from '../resource-id.ts';
import type { RoleAssignment } from '../state.ts';

const suffix = /\/providers\/Microsoft\.Authorization\/roleAssignments(?:\/[^/]+)?$/i;

function show({
  id,
  scope,
  principal,
  role,
  principalType,
  createdOn,
}: RoleAssignment): JsonObject {
  const [, , subscription = ''] = scope.split('/');
  return {
    id,
    name: id.split('/').at(-1) ?? '',
    type: 'Microsoft.Authorization/roleAssignments',
    properties: {
      scope,
      roleDefinitionId: `/subscriptions/${subscription}/providers/Microsoft.Authorization/roleDefinitions/${role}`,
      principalId: principal,
      principalType,
      createdOn,
      updatedOn: createdOn,
    },
  };
}

const put: Handler = (call) => {
  const properties = objectOf(call.body, 'properties');
  const role = (textOf(properties, 'roleDefinitionId')?.split('/').at(-1) ?? '').toLowerCase();
  const principal = textOf(properties, 'principalId') ?? '';
  const scope = call.id.replace(suffix, '');
  const { assignments } = call.world;
  const standing = assignments.get(idKey(call.id));
  const same = [...assignments.values()].find(
    (one) =>
      idKey(one.scope) === idKey(scope) &&
      idKey(one.principal) === idKey(principal) &&
      one.role === role,
  );
  if (same !== undefined && same !== standing)
    throw new ArmError(409, 'RoleAssignmentExists', 'The role assignment already exists.');
  if (standing !== undefined && same === undefined)
    throw new ArmError(
      400,
      'RoleAssignmentUpdateNotPermitted',
      'Tenant ID, application ID, principal ID, and scope are not allowed to be updated.',
    );
  if (standing !== undefined) return { status: 200, body: show(standing) };
  const made: RoleAssignment = {
    id: call.id,
    scope,
    principal,
    role,
    principalType: textOf(properties, 'principalType') ?? 'User',
    createdOn: call.now,
  };
  assignments.set(idKey(call.id), made);
  return { status: 201, body: show(made) };
};

const remove: Handler = (call) => {
  const standing = call.world.assignments.get(idKey(call.id));
  if (standing === undefined) return { status: 204 };
  call.world.assignments.delete(idKey(call.id));
  return { status: 200, body: show(standing) };
};

/** Those on the scope and above it; without `atScope()`, also those below. */
const list: Handler = (call) => {
  const scope = idKey(call.id.replace(suffix, ''));
  const filter = call.parts.search.get('$filter') ?? '';
  const principal = /principalId eq '([^']+)'/.exec(filter)?.[1];
  const found = [...call.world.assignments.values()].filter((one) => {
    const own = idKey(one.scope);
    const above = scope === own || scope.startsWith(`${own}/`);
    const below = filter !== 'atScope()' && own.startsWith(`${scope}/`);
    return (
      (above || below) && (principal === undefined || idKey(principal) === idKey(one.principal))
    );
  });
  return call.page(found.map(show));
};

export const roleAssignments = { put, remove, list } as const;
