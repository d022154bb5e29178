/** The id of a resource, taken apart. ARM compares all of it without regard to case. */
export interface ArmId {
  readonly subscription: string;
  readonly resourceGroup: string | undefined;
  /** `Microsoft.Compute/galleries/images`; undefined for a subscription or a resource group. */
  readonly type: string | undefined;
  /** The names in the order of the type's parts. */
  readonly names: readonly string[];
}

const form =
  /^\/subscriptions\/([^/]+)(?:\/resourceGroups\/([^/]+))?(?:\/providers\/([^/]+)((?:\/[^/]+\/[^/]+)+))?$/i;

/** Reads an id; nothing for what isn't one. */
export function parseArmId(id: string): ArmId | undefined {
  const [, subscription, resourceGroup, namespace, rest] = form.exec(id) ?? [];
  if (subscription === undefined) return undefined;
  const parts = rest === undefined ? [] : rest.slice(1).split('/');
  const kinds = parts.filter((_, index) => index % 2 === 0);
  return {
    subscription,
    resourceGroup,
    type: namespace === undefined ? undefined : [namespace, ...kinds].join('/'),
    names: parts.filter((_, index) => index % 2 === 1),
  };
}

/** What ids are compared by. */
export function idKey(id: string): string {
  return id.toLowerCase();
}

/** Whether an id is that of a resource of a type. */
export function isOfType(id: string, type: string): boolean {
  return parseArmId(id)?.type?.toLowerCase() === type.toLowerCase();
}

/** The id of what a resource is part of; the scope above it. */
export function parentId(id: string): string {
  const parent = id.split('/').slice(0, -2).join('/');
  return /\/providers\/[^/]+$/i.test(parent) ? parent.split('/').slice(0, -2).join('/') : parent;
}
