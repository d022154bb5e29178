import { ImgkitError, type AuthorizedKey, type HostKey } from '@imgkit/core';

/** What a machine is told at its first boot, over a NoCloud seed. */
export interface GuestSettings {
  /** Names this first boot: what cloud-init did for one instance id it doesn't do again. */
  readonly instanceId: string;
  readonly hostname: string;
  /** Who may log in. Keys of root are also those of the image's own user. */
  readonly authorizedKeys: readonly AuthorizedKey[];
  /** The SSH server's key: given, so that it is known from the first connection on. */
  readonly hostKey: HostKey;
  /** A script with a `#!` line, run as root at the first boot. */
  readonly startupScript?: string | undefined;
  /** The caller's own cloud-init user data, beside ours. */
  readonly userData?: string | undefined;
  /** Plain data for programs in the guest. */
  readonly metadata?: Readonly<Record<string, string>> | undefined;
}

/**
 * The cloud-init user data of a machine.
 *
 * @throws `INVALID_ARGUMENT` for a key or script that cloud-init would not take.
 */
export function userData(settings: GuestSettings): string {
  const ours = cloudConfig(settings);
  const script = settings.startupScript;
  const theirs = settings.userData ?? (script === undefined ? undefined : startupScript(script));
  return theirs === undefined ? ours : multipart(ours, theirs);
}

/** The NoCloud meta data of a machine. */
export function metaData(settings: GuestSettings): string {
  const lines = [
    `instance-id: ${JSON.stringify(settings.instanceId)}`,
    `local-hostname: ${hostname(settings.hostname)}`,
  ];
  const { metadata = {}, userData: theirs } = settings;
  // All of ours is on the disk, so cloud-init need not wait for the network; theirs may.
  if (theirs === undefined) lines.push('dsmode: local');
  if (Object.keys(metadata).length > 0) lines.push(`metadata: ${JSON.stringify(metadata)}`);
  return `${lines.join('\n')}\n`;
}

/** A host name, checked. */
export function hostname(name: string): string {
  if (!/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(name)) {
    throw new ImgkitError('INVALID_ARGUMENT', `${JSON.stringify(name)} is not a host name`, {
      hint: 'A host name has 1 to 63 lower-case letters, digits and hyphens.',
    });
  }
  return name;
}

// Plain blocks and no more YAML than this, so that a guest without cloud-init can read it with awk.
function cloudConfig(settings: GuestSettings): string {
  const keysOf = (user: string): string[] =>
    settings.authorizedKeys.filter((key) => key.user === user).map(authorizedKey);
  const root = keysOf('root');
  const others = [...new Set(settings.authorizedKeys.map(({ user }) => user))].filter(
    (user) => user !== 'root',
  );
  const lines = ['#cloud-config', 'disable_root: false', 'ssh_pwauth: false'];
  if (root.length > 0) lines.push('ssh_authorized_keys:', ...root.map((key) => `  - ${key}`));
  lines.push('ssh_keys:', '  ed25519_private: |');
  lines.push(
    ...settings.hostKey.privateKey
      .trimEnd()
      .split('\n')
      .map((line) => `    ${line}`),
  );
  lines.push(`  ed25519_public: ${authorizedKey(settings.hostKey)}`);
  if (others.length > 0) lines.push('users:', '  - default');
  for (const user of others) {
    lines.push(
      `  - name: ${userName(user)}`,
      '    shell: /bin/bash',
      "    sudo: 'ALL=(ALL) NOPASSWD:ALL'",
    );
    lines.push('    ssh_authorized_keys:', ...keysOf(user).map((key) => `      - ${key}`));
  }
  return `${lines.join('\n')}\n`;
}

/** The name of a user of the guest, checked. */
export function userName(name: string): string {
  if (!/^[a-z_][a-z0-9_-]{0,31}$/.test(name)) {
    throw new ImgkitError(
      'INVALID_ARGUMENT',
      `${JSON.stringify(name)} cannot name a user of the guest`,
    );
  }
  return name;
}

/** The startup script, checked. */
export function startupScript(script: string): string {
  if (!script.startsWith('#!')) {
    throw new ImgkitError('INVALID_ARGUMENT', 'a startup script must begin with #!', {
      hint: 'Begin it with a line such as #!/bin/sh.',
    });
  }
  return script;
}

/** One public key as `type base64 comment`, without what YAML or a shell could trip over. */
export function authorizedKey({ publicKey }: { readonly publicKey: string }): string {
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
