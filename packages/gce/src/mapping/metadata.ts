import { createHash } from 'node:crypto';
import { ImgkitError, type MachineTemplate } from '@imgkit/core';

import { objects, object, text, type WireObject } from '../api/wire.ts';

/** What guests are told. */
export interface GuestData extends Pick<
  MachineTemplate,
  'metadata' | 'authorizedKeys' | 'startupScript' | 'userData' | 'ports'
> {
  /** The id of the image that the machine boots from. */
  readonly image?: string | undefined;
  /** Says that the machine is another one than those launched before, so that its startup script runs. */
  readonly launch: string;
}

/** What a machine of ours tells about itself. */
export interface ToldMetadata {
  /** The user's own. */
  readonly metadata: Readonly<Record<string, string>>;
  /** The id of the image it was launched from. */
  readonly image: string | undefined;
  /** The ports that were asked for; nothing for machines that imgkit didn't launch. */
  readonly ports: readonly number[] | undefined;
}

const imageKey = 'imgkit-image';
const portsKey = 'imgkit-ports';
/** What the contract has fields of its own for. */
const ownKeys: ReadonlyMap<string, string> = new Map([
  ['ssh-keys', 'authorizedKeys'],
  ['startup-script', 'startupScript'],
  ['user-data', 'userData'],
  [imageKey, 'boot'],
  [portsKey, 'ports'],
]);
/** How the guest lets people in; the user's own metadata comes first. */
const keysOfMetadata = { 'block-project-ssh-keys': 'TRUE', 'enable-oslogin': 'FALSE' };
/** Lets the guest publish its SSH host keys. */
const guestAttributes = { 'enable-guest-attributes': 'TRUE' };

/** Source: Google's "About VM metadata", on its limits. */
const keyPattern = /^[a-zA-Z0-9_-]{1,128}$/;
const mostValueBytes = 262_144;
const mostBytes = 524_288;

/**
 * The metadata of a new machine. Those who may log in are listed in `ssh-keys`, with OS Login and the project's
 * own keys off: the guest would heed nobody else's keys with OS Login.
 *
 * @throws {@link ImgkitError} with `INVALID_ARGUMENT` for what Google doesn't take.
 */
export function toMetadata(data: GuestData): WireObject {
  const { metadata = {}, authorizedKeys = [], startupScript, userData, ports = [], image } = data;
  if (startupScript !== undefined && userData !== undefined)
    throw invalid('a machine can’t have both user data and a startup script', 'Give one of them.');
  for (const [key, value] of Object.entries(metadata)) checkOwn(key, value);
  const all: Record<string, string> = {
    ...guestAttributes,
    ...(authorizedKeys.length > 0 && keysOfMetadata),
    ...metadata,
    ...(authorizedKeys.length > 0 && { 'ssh-keys': authorizedKeys.map(keyLine).join('\n') }),
    ...(startupScript !== undefined && { 'startup-script': onceOnly(startupScript, data.launch) }),
    ...(userData !== undefined && { 'user-data': userData }),
    ...(image !== undefined && { [imageKey]: image }),
    [portsKey]: [...new Set([22, ...ports.map(checkedPort)])].join(','),
  };
  let bytes = 0;
  for (const [key, value] of Object.entries(all)) {
    const size = Buffer.byteLength(value);
    bytes += size + key.length;
    if (size > mostValueBytes)
      throw invalid(`the metadata "${key}" is too long`, 'Google takes 256 KiB for each.');
  }
  if (bytes > mostBytes) throw invalid('the metadata is too long', 'Google takes 512 KiB in all.');
  return { items: Object.entries(all).map(([key, value]) => ({ key, value })) };
}

/** The metadata that a machine image holds, with what is to be changed in it. */
export function changedMetadata(held: WireObject | undefined, data: GuestData): WireObject {
  const merged = new Map(entriesOf(held));
  for (const [key, value] of entriesOf(toMetadata(data))) {
    const asked = key === portsKey ? data.ports !== undefined : !(key in guestAttributes);
    if (asked || !merged.has(key)) merged.set(key, value);
  }
  return { items: [...merged].map(([key, value]) => ({ key, value })) };
}

/** What a machine, or the properties of one, tells. */
export function readMetadata(machine: WireObject | undefined): ToldMetadata {
  const metadata: Record<string, string> = {};
  let image: string | undefined;
  let ports: readonly number[] | undefined;
  for (const [key, value] of entriesOf(object(machine, 'metadata'))) {
    if (key === imageKey) image = value;
    else if (key === portsKey) ports = value.split(',').map(Number);
    else if (!ownKeys.has(key) && !isOurs(key, value)) metadata[key] = value;
  }
  return { metadata, image, ports };
}

function isOurs(key: string, value: string): boolean {
  return Object.entries({ ...keysOfMetadata, ...guestAttributes }).some(
    ([ownKey, ownValue]) => key === ownKey && value === ownValue,
  );
}

function entriesOf(metadata: WireObject | undefined): readonly (readonly [string, string])[] {
  return objects(metadata, 'items').flatMap((item) => {
    const key = text(item, 'key');
    return key === undefined ? [] : [[key, text(item, 'value') ?? ''] as const];
  });
}

function checkOwn(key: string, value: unknown): void {
  const field = ownKeys.get(key);
  if (field !== undefined)
    throw invalid(`"${key}" can't be given as metadata`, `Use \`${field}\` instead.`);
  if (!keyPattern.test(key))
    throw invalid(
      `"${key}" can't be a key of metadata`,
      'Use 1 to 128 letters, digits, hyphens and underscores.',
    );
  if (typeof value !== 'string')
    throw invalid(`the metadata "${key}" isn't a text`, 'Give a text.');
}

function keyLine({
  user,
  publicKey,
}: {
  readonly user: string;
  readonly publicKey: string;
}): string {
  if (!/^[a-z_][a-z0-9_-]{0,31}$/.test(user))
    throw invalid(`"${user}" can't be the name of a user`, 'Use a user’s name of Linux.');
  const line = publicKey.trim();
  if (!/^(?:ssh|ecdsa|sk-[a-z]+)-\S+ \S+(?: [^\n\r]*)?$/.test(line))
    throw invalid(`the key of "${user}" isn't a public key`, 'Give one line of OpenSSH’s format.');
  return `${user}:${line}`;
}

function checkedPort(port: number): number {
  if (Number.isInteger(port) && port > 0 && port < 65_536) return port;
  throw invalid(`${port} can't be a port`, 'Ports are 1 to 65535.');
}

/**
 * Google's guest agent runs a startup script at every boot: this one runs the script at the first one only. The
 * mark it leaves names the launch, so that a machine made of an image of this one runs its own.
 */
function onceOnly(script: string, launch: string): string {
  const token = createHash('sha256')
    .update(JSON.stringify([launch, script]))
    .digest('hex')
    .slice(0, 24);
  const run = script.startsWith('#!') ? '"$file"' : 'sh "$file"';
  return `#!/bin/sh
# Runs a script once, at the first boot.
mark=/var/lib/imgkit/startup-${token}
[ ! -e "$mark" ] || exit 0
mkdir -p /var/lib/imgkit && : > "$mark" || exit 1
file="$mark.script"
cat > "$file" <<'imgkit-${token}'
${script.endsWith('\n') ? script : `${script}\n`}imgkit-${token}
chmod 700 "$file"
${run}
status=$?
rm -f "$file"
exit "$status"
`;
}

function invalid(message: string, hint: string): ImgkitError {
  return new ImgkitError('INVALID_ARGUMENT', message, { hint });
}
