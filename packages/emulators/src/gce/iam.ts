import { isJsonObject, objectOf, objectsOf, textOf, textsOf } from '../control-plane/json.ts';
import type { JsonObject } from '../control-plane/json.ts';
import { conditionHolds, type ConditionFacts } from './iam-conditions.ts';
import { covers, ownersOnly, predefinedRoles } from './iam-roles.ts';
import { ApiError, badRequest, conditionNotMet } from './errors.ts';

/** Members that have a role, maybe under a condition. */
export interface PolicyBinding {
  /** `roles/compute.imageUser`, or a custom role. */
  readonly role: string;
  /** `user:ann@acme.com`, `serviceAccount:…`, `group:…`, `domain:acme.com`, `allAuthenticatedUsers`. */
  readonly members: readonly string[];
  /** When it holds: `{ title, expression }`, in Google's words. */
  readonly condition?: JsonObject | undefined;
}

/** Who may do what with a resource. */
export interface Policy {
  readonly version: number;
  /** Changes with every change of the policy. */
  readonly etag: string;
  readonly bindings: readonly PolicyBinding[];
}

/** Who makes a request: an IAM member, or undefined for one without credentials. */
export type Caller = string | undefined;

/** What IAM has to know to answer. */
export interface IamDirectory {
  /** Members of groups, by the group's address. */
  readonly groups: ReadonlyMap<string, ReadonlySet<string>>;
  /** Permissions of custom roles, by role. */
  readonly roles: ReadonlyMap<string, readonly string[]>;
  /** The projects, by id: IAM names them by number. */
  readonly projects: ReadonlyMap<string, { readonly number: string }>;
}

let lastEtag = 0;

/** A policy with a new etag. */
export function policyOf(bindings: readonly PolicyBinding[], version = 1): Policy {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(0x07_00_00_00_00_00_00_00n + BigInt(++lastEtag));
  return { version, bindings, etag: bytes.toString('base64') };
}

/** Whether one of the policies gives the member the permission. */
export function permits(
  policies: readonly Policy[],
  member: string,
  permission: string,
  directory: IamDirectory,
  facts: ConditionFacts,
): boolean {
  return policies.some(({ bindings }) =>
    bindings.some(
      (binding) =>
        roleHas(binding.role, permission, directory) &&
        binding.members.some((each) => includes(each, member, directory)) &&
        (!binding.condition || conditionHolds(binding.condition, facts)),
    ),
  );
}

function roleHas(role: string, permission: string, { roles }: IamDirectory): boolean {
  const patterns = roles.get(role) ?? predefinedRoles[role] ?? [];
  if (role === 'roles/editor' && ownersOnly.test(permission)) return false;
  return patterns.some((pattern) => covers(pattern, permission));
}

/** Whether a member of a policy stands for the one who calls. */
function includes(listed: string, member: string, { groups, projects }: IamDirectory): boolean {
  if (listed === member || listed === 'allUsers' || listed === 'allAuthenticatedUsers') return true;
  const address = member.slice(member.indexOf(':') + 1);
  if (listed.startsWith('domain:')) return address.endsWith(`@${listed.slice('domain:'.length)}`);
  if (listed.startsWith('group:')) {
    return groups.get(listed.slice('group:'.length))?.has(member) ?? false;
  }
  const [, number] = serviceAccountsOf.exec(listed) ?? [];
  if (number === undefined || !member.startsWith('serviceAccount:')) return false;
  const [, id = ''] = /@([a-z0-9-]+)\.iam\.gserviceaccount\.com$/.exec(address) ?? [];
  return (
    projects.get(id)?.number === number ||
    address === `${number}-compute@developer.gserviceaccount.com`
  );
}

/** All service accounts of a project. https://cloud.google.com/iam/docs/principal-identifiers */
const serviceAccountsOf =
  /^principalSet:\/\/cloudresourcemanager\.googleapis\.com\/projects\/(\d+)\/type\/ServiceAccount$/;

const memberForm =
  /^(allUsers|allAuthenticatedUsers|(user|serviceAccount|group):[^@\s]+@[^@\s]+|domain:[^@\s]+|(projectOwner|projectEditor|projectViewer):\S+|principal(Set)?:\/\/\S+|deleted:\S+)$/;

/**
 * The policy that `setIamPolicy` puts in place of another.
 *
 * @param publicAllowed - whether `allUsers` may be a member; images refuse it.
 */
export function replacePolicy(
  current: Policy,
  request: JsonObject,
  directory: IamDirectory,
  publicAllowed: boolean,
): Policy {
  // Both forms are taken: a whole policy, and its parts beside it, as older clients send them.
  const policy = objectOf(request, 'policy') ?? request;
  const bindings = objectsOf(policy, 'bindings').map(readBinding);
  for (const { role, members, condition } of bindings) {
    if (!(directory.roles.has(role) || role in predefinedRoles || /^roles\/\w/.test(role))) {
      throw badRequest(`Role ${role} is not supported for this resource.`);
    }
    for (const member of members) {
      if (!memberForm.test(member)) {
        throw badRequest(`Invalid member: ${member}. Expected a form like user:{emailid}.`);
      }
      if (member === 'allUsers' && !publicAllowed) {
        throw badRequest('The member bindings allUsers are not allowed on this resource.');
      }
    }
    if (condition && policy['version'] !== 3) {
      throw badRequest('A policy with conditions must be set with version 3.');
    }
  }
  const principals = bindings.reduce((sum, { members }) => sum + members.length, 0);
  if (principals > 1500) {
    throw badRequest(`The number of members in the policy (${principals}) is larger than 1500.`);
  }
  const etag = textOf(policy, 'etag') ?? textOf(request, 'etag');
  if (etag !== undefined && etag !== current.etag) {
    throw conditionNotMet('The policy has changed since it was read: the etag differs.');
  }
  if (etag === undefined && current.version === 3 && policy['version'] !== 3) {
    throw new ApiError(
      400,
      'invalid',
      'The existing policy has conditions: set it with version 3 and its etag.',
    );
  }
  const used = bindings.filter(({ members }) => members.length > 0);
  return policyOf(used, used.some(({ condition }) => condition) ? 3 : 1);
}

function readBinding(value: JsonObject): PolicyBinding {
  const role = textOf(value, 'role');
  if (!role) throw badRequest('A binding names no role.');
  const condition = value['condition'];
  return {
    role,
    members: textsOf(value, 'members'),
    condition: isJsonObject(condition) ? condition : undefined,
  };
}

/**
 * A policy as it is answered. Those who don't ask for version 3 get the conditional bindings without their
 * conditions, under roles that tell so.
 */
export function showPolicy(policy: Policy, requestedVersion: number): JsonObject {
  const conditional = policy.bindings.some(({ condition }) => condition);
  const shown = policy.bindings.map(({ role, members, condition }) => {
    if (!condition) return { role, members };
    if (requestedVersion >= 3) return { role, members, condition };
    return { role: `${role}_withcond_${conditionTag(condition)}`, members };
  });
  return {
    version: conditional && requestedVersion >= 3 ? 3 : 1,
    etag: policy.etag,
    bindings: shown.length > 0 ? shown : undefined,
  };
}

function conditionTag(condition: JsonObject): string {
  return Buffer.from(textOf(condition, 'expression') ?? '')
    .toString('hex')
    .padEnd(20, '0')
    .slice(0, 20);
}
