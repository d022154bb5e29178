import { generateKeyPairSync } from 'node:crypto';

import { checkedPublicKey, guestUserData, ImgkitError, type LaunchRequest } from '@imgkit/core';

import type { WireObject } from '../api/wire.ts';
import { invalid } from '../images/image-request.ts';

/** Who may log in where nobody is named. */
export const defaultUser = 'imgkit';

/** https://learn.microsoft.com/azure/virtual-machines/linux/faq#what-are-the-username-requirements-when-creating-a-vm- */
const forbiddenUsers: ReadonlySet<string> = new Set(
  (
    'administrator admin user user1 test user2 test1 user3 admin1 1 123 a actuser adm admin2 aspnet backup console ' +
    'david guest john owner root server sql support support_388945a0 sys test2 test3 user4 user5'
  ).split(' '),
);
const mostDataBytes = 65_535;

type GuestWishes = Pick<
  LaunchRequest,
  'name' | 'authorizedKeys' | 'startupScript' | 'userData' | 'hostKey'
>;

/**
 * What a machine of a generalized image is told: Azure's agent, or cloud-init, makes its first user, and cloud-init
 * does what is in the custom data.
 *
 * @throws {@link ImgkitError} with `INVALID_ARGUMENT` for what Azure or cloud-init doesn't take.
 */
export function toOsProfile(request: GuestWishes): WireObject {
  refuseBoth(request);
  const { name, authorizedKeys = [], startupScript, userData, hostKey } = request;
  const user = authorizedKeys[0]?.user ?? defaultUser;
  if (forbiddenUsers.has(user.toLowerCase()))
    throw invalid(
      `Azure makes no user "${user}"`,
      `Let another user in, such as "${defaultUser}": it may become root.`,
    );
  const own = authorizedKeys.filter((key) => key.user === user);
  const others = authorizedKeys.filter((key) => key.user !== user);
  const plain = others.length === 0 && hostKey === undefined;
  const custom = plain
    ? (startupScript ?? userData)
    : guestUserData({ authorizedKeys: others, hostKey, startupScript, userData });
  // Azure wants a way in: where nobody is to be let in, it is a key that nobody has.
  const keys = own.length === 0 ? [nobodysKey()] : own.map(checkedPublicKey);
  return {
    computerName: name,
    adminUsername: user,
    ...(custom === undefined ? {} : { customData: encoded(custom) }),
    linuxConfiguration: {
      disablePasswordAuthentication: true,
      ssh: {
        publicKeys: keys.map((keyData) => ({
          path: `/home/${user}/.ssh/authorized_keys`,
          keyData,
        })),
      },
    },
  };
}

/**
 * What a machine is told whose disk was set up before: Azure makes no users there. A guest with cloud-init takes this
 * up from the instance metadata; others keep what they have.
 */
export function toUserData(request: GuestWishes): string | undefined {
  refuseBoth(request);
  const { authorizedKeys = [], startupScript, userData, hostKey } = request;
  const nothing = authorizedKeys.length === 0 && hostKey === undefined;
  if (nothing && startupScript === undefined && userData === undefined) return undefined;
  return encoded(guestUserData({ authorizedKeys, hostKey, startupScript, userData }));
}

function refuseBoth({ startupScript, userData }: GuestWishes): void {
  if (startupScript !== undefined && userData !== undefined)
    throw invalid('a machine can’t have both user data and a startup script', 'Give one of them.');
  if (startupScript?.startsWith('#!') === false)
    throw invalid('a startup script must begin with #!', 'Begin it with a line such as #!/bin/sh.');
}

function encoded(text: string): string {
  const bytes = Buffer.from(text);
  if (bytes.length > mostDataBytes)
    throw new ImgkitError('INVALID_ARGUMENT', 'what the guest is told is too long', {
      hint: `Azure takes ${mostDataBytes} bytes: let the guest load the rest from somewhere.`,
    });
  return bytes.toString('base64');
}

/** The public half of a pair whose other half is forgotten at once. */
function nobodysKey(): string {
  const { publicKey } = generateKeyPairSync('ed25519');
  const bytes = publicKey.export({ format: 'der', type: 'spki' }).subarray(-32);
  const blob = Buffer.concat([field(Buffer.from('ssh-ed25519')), field(bytes)]);
  return `ssh-ed25519 ${blob.toString('base64')} nobody`;
}

function field(bytes: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}
