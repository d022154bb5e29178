import type { AuthorizedKey, HostKey } from '../spec/capabilities/instances.ts';
import { ImgkitError } from '../spec/errors.ts';

/** What a guest with cloud-init is told at its first boot. */
export interface GuestUserData {
  /** Who may log in. Keys of root are also those of the image's own user. */
  readonly authorizedKeys: readonly AuthorizedKey[];
  /** The SSH server's key: when it is given, it is known from the first connection on. */
  readonly hostKey?: HostKey | undefined;
  /** A script with a `#!` line, run as root at the first boot. */
  readonly startupScript?: string | undefined;
  /** The caller's own cloud-init user data, beside ours. */
  readonly userData?: string | undefined;
}

/**
 * The cloud-init user data that tells a guest who may log in, what its SSH server's key is and what to run: how
 * adapters write what they pass to guests.
 *
 * @throws {@link ImgkitError} with `INVALID_ARGUMENT` for a key, a user or a script that cloud-init would not take.
 *
 * @example
 * ```ts
 * import { guestUserData } from '@imgkit/core';
 *
 * const authorizedKeys = [{ user: 'root', publicKey: 'ssh-ed25519 AAAA me@here' }];
 * console.log(guestUserData({ authorizedKeys, startupScript: '#!/bin/sh\ndate' }));
 * ```
 */
export function guestUserData(settings: GuestUserData): string {
  const ours = cloudConfig(settings);
  const script = settings.startupScript;
  const theirs =
    settings.userData ?? (script === undefined ? undefined : checkedStartupScript(script));
  return theirs === undefined ? ours : multipart(ours, theirs);
}

// Plain blocks and no more YAML than this, so that a guest without cloud-init can read it with awk.
function cloudConfig(settings: GuestUserData): string {
  const keysOf = (user: string): string[] =>
    settings.authorizedKeys.filter((key) => key.user === user).map(checkedPublicKey);
  const root = keysOf('root');
  const others = [...new Set(settings.authorizedKeys.map(({ user }) => user))].filter(
    (user) => user !== 'root',
  );
  const lines = ['#cloud-config', 'disable_root: false', 'ssh_pwauth: false'];
  if (root.length > 0) lines.push('ssh_authorized_keys:', ...root.map((key) => `  - ${key}`));
  if (settings.hostKey !== undefined) {
    lines.push('ssh_keys:', '  ed25519_private: |');
    lines.push(
      ...settings.hostKey.privateKey
        .trimEnd()
        .split('\n')
        .map((line) => `    ${line}`),
    );
    lines.push(`  ed25519_public: ${checkedPublicKey(settings.hostKey)}`);
  }
  if (others.length > 0) lines.push('users:', '  - default');
  for (const user of others) {
    lines.push(
      `  - name: ${checkedGuestUser(user)}`,
      '    shell: /bin/bash',
      "    sudo: 'ALL=(ALL) NOPASSWD:ALL'",
    );
    lines.push('    ssh_authorized_keys:', ...keysOf(user).map((key) => `      - ${key}`));
  }
  return `${lines.join('\n')}\n`;
}

/**
 * The name of a user of a Linux guest, checked.
 *
 * @throws {@link ImgkitError} with `INVALID_ARGUMENT`.
 */
export function checkedGuestUser(name: string): string {
  if (!/^[a-z_][a-z0-9_-]{0,31}$/.test(name)) {
    throw new ImgkitError(
      'INVALID_ARGUMENT',
      `${JSON.stringify(name)} cannot name a user of the guest`,
    );
  }
  return name;
}

/**
 * A startup script, checked.
 *
 * @throws {@link ImgkitError} with `INVALID_ARGUMENT` if it doesn't say what runs it.
 */
export function checkedStartupScript(script: string): string {
  if (!script.startsWith('#!')) {
    throw new ImgkitError('INVALID_ARGUMENT', 'a startup script must begin with #!', {
      hint: 'Begin it with a line such as #!/bin/sh.',
    });
  }
  return script;
}

/**
 * One public key as `type base64 comment`, without what YAML or a shell could trip over.
 *
 * @throws {@link ImgkitError} with `INVALID_ARGUMENT`.
 */
export function checkedPublicKey({ publicKey }: { readonly publicKey: string }): string {
  const parts = /^([\w@.-]+) ([A-Za-z0-9+/]+=*)(?:[ \t]+([\w@.-]+))?/.exec(publicKey.trim());
  if (parts === null || /[\r\n]/.test(publicKey.trim())) {
    throw new ImgkitError(
      'INVALID_ARGUMENT',
      `${JSON.stringify(publicKey.slice(0, 40))} is not a public SSH key`,
      {
        hint: 'Give the line of a .pub file, without options before it.',
      },
    );
  }
  const [, type = '', blob = '', comment] = parts;
  return comment === undefined ? `${type} ${blob}` : `${type} ${blob} ${comment}`;
}

const kinds: readonly (readonly [start: string, type: string])[] = [
  ['#cloud-config', 'text/cloud-config'],
  ['#!', 'text/x-shellscript'],
  ['#include', 'text/x-include-url'],
  ['#cloud-boothook', 'text/cloud-boothook'],
  ['#part-handler', 'text/part-handler'],
];

// Our part stays readable as it is (8bit), and lists of the two parts are joined instead of replaced.
function multipart(ours: string, theirs: string): string {
  const type = kinds.find(([start]) => theirs.startsWith(start))?.[1];
  if (type === undefined) {
    throw new ImgkitError('INVALID_ARGUMENT', 'the user data has no kind that cloud-init knows', {
      hint: `Begin it with one of ${kinds.map(([start]) => start).join(', ')}.`,
    });
  }
  let boundary = 'imgkit-part';
  while (theirs.includes(boundary)) boundary += '-x';
  const part = (kind: string, body: string): string =>
    [
      `--${boundary}`,
      `Content-Type: ${kind}; charset="utf-8"`,
      'Content-Transfer-Encoding: 8bit',
      'Merge-Type: list(append)+dict(no_replace,recurse_list)+str()',
      '',
      body,
      '',
    ].join('\n');
  return [
    `Content-Type: multipart/mixed; boundary="${boundary}"`,
    'MIME-Version: 1.0',
    '',
    `${part('text/cloud-config', ours)}${part(type, theirs)}--${boundary}--`,
    '',
  ].join('\n');
}
