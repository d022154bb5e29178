import { objectOf, textOf, type JsonObject } from '../../control-plane/json.ts';
import type { Call } from '../call.ts';
import { invalidParameter } from '../errors.ts';

/** Whom a machine acts as, with what Azure adds to it. */
export function identityOf({ world, body }: Call): JsonObject {
  const given = objectOf(body, 'identity');
  if (given === undefined) return {};
  const type = textOf(given, 'type') ?? 'None';
  const ids = Object.keys(objectOf(given, 'userAssignedIdentities') ?? {});
  if (type.includes('UserAssigned') !== ids.length > 0)
    throw invalidParameter(
      'identity',
      `The identity type ${type} doesn't go with ${ids.length} identities.`,
    );
  const grown = () => ({ principalId: world.nextGuid(), clientId: world.nextGuid() });
  const known = Object.fromEntries(ids.map((id) => [id, grown()]));
  const own = { principalId: world.nextGuid(), tenantId: world.tenant };
  return {
    identity: {
      type,
      ...(type.includes('SystemAssigned') ? own : {}),
      ...(ids.length === 0 ? {} : { userAssignedIdentities: known }),
    },
  };
}

/** What is bought with a machine. */
export function planOf({ body }: Call): JsonObject {
  const { plan } = body;
  return plan === undefined ? {} : { plan };
}
