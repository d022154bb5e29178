import { objectOf, objectsOf, textOf, type JsonObject } from '../../control-plane/json.ts';

const keyPattern = /^[a-zA-Z0-9_-]{1,128}$/;
const maxValueBytes = 262_144;
const maxTotalBytes = 524_288;

/** The metadata of an instance as keys and values. */
export function metadataOf(instance: JsonObject): Readonly<Record<string, string>> {
  return Object.fromEntries(
    objectsOf(objectOf(instance, 'metadata'), 'items').map((item) => [
      textOf(item, 'key') ?? '',
      textOf(item, 'value') ?? '',
    ]),
  );
}

/**
 * What is wrong with some metadata, or undefined.
 *
 * @see https://cloud.google.com/compute/docs/metadata/setting-custom-metadata#limitations
 */
export function metadataProblem(metadata: JsonObject | undefined): string | undefined {
  const seen = new Set<string>();
  let total = 0;
  for (const item of objectsOf(metadata, 'items')) {
    const key = textOf(item, 'key') ?? '';
    const size = Buffer.byteLength(textOf(item, 'value') ?? '');
    if (!keyPattern.test(key)) {
      return `Metadata key "${key}" must be a match of regex '[a-zA-Z0-9-_]{1,128}'.`;
    }
    if (seen.has(key)) return `Metadata has duplicate key: ${key}`;
    if (size > maxValueBytes) {
      return `Value for metadata key "${key}" is too large: maximum size ${maxValueBytes} bytes; actual size ${size} bytes.`;
    }
    seen.add(key);
    total += size + Buffer.byteLength(key);
  }
  if (total <= maxTotalBytes) return undefined;
  return `The total size of metadata is too large: maximum size ${maxTotalBytes} bytes; actual size ${total} bytes.`;
}

/**
 * What a guest reads: the instance's own metadata, and its project's beside it. SSH keys of both count, unless
 * the instance blocks those of the project.
 *
 * @see https://cloud.google.com/compute/docs/connect/restrict-ssh-keys#block-keys
 */
export function effectiveMetadata(
  project: Readonly<Record<string, string>>,
  own: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  const blocked = own['block-project-ssh-keys']?.toUpperCase() === 'TRUE';
  const keys = [blocked ? undefined : project['ssh-keys'], own['ssh-keys']];
  const both = keys.filter((text) => text !== undefined).join('\n');
  const { 'ssh-keys': _, ...rest } = { ...project, ...own };
  return both === '' ? rest : { ...rest, 'ssh-keys': both };
}

/** A public key that metadata lets in. */
export interface MetadataKey {
  readonly user: string;
  readonly publicKey: string;
}

/**
 * The keys in `ssh-keys`: lines like `builder:ssh-ed25519 AAAA… comment`. Like Google's guest agent, it
 * leaves out keys whose `google-ssh` comment has a time that is over.
 *
 * @see https://cloud.google.com/compute/docs/connect/add-ssh-keys#metadata
 */
export function sshKeysOf(
  metadata: Readonly<Record<string, string>>,
  now: number,
): readonly MetadataKey[] {
  return (metadata['ssh-keys'] ?? '').split('\n').flatMap((line) => {
    const match = /^([^\s:]+):(\S+ \S+.*)$/.exec(line.trim());
    const [, user = '', publicKey = ''] = match ?? [];
    const expires = /"expireOn":\s*"([^"]+)"/.exec(publicKey)?.[1];
    if (user === '' || (expires !== undefined && Date.parse(expires) <= now)) return [];
    return [{ user, publicKey }];
  });
}
