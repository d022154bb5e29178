import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createHostKey } from './host-key.ts';
import { seedDisk } from './seed.ts';
import { metaData, userData } from './user-data.ts';

const hostKey = createHostKey();
const settings = {
  instanceId: 'i-1',
  hostname: 'web',
  authorizedKeys: [{ user: 'root', publicKey: 'ssh-ed25519 AAAA me@here' }],
  hostKey,
};
const ofRoot = (publicKey: string) => ({ user: 'root', publicKey });
const hasSshKeygen = spawnSync('ssh-keygen', ['--help']).error === undefined;
if (!hasSshKeygen) console.log('skipped: checking keys with ssh-keygen, which is not installed');

describe('createHostKey', () => {
  it.skipIf(!hasSshKeygen)(
    'writes private keys from which OpenSSH derives the same public key',
    () => {
      const directory = mkdtempSync(join(tmpdir(), 'imgkit-key-'));
      try {
        const file = join(directory, 'key');
        writeFileSync(file, hostKey.privateKey, { mode: 0o600 });
        const derived = execFileSync('ssh-keygen', ['-y', '-P', '', '-f', file], {
          encoding: 'utf8',
        });
        expect(derived.trim()).toBe(hostKey.publicKey);
      } finally {
        rmSync(directory, { recursive: true });
      }
    },
  );

  it('makes a new key every time', () => {
    expect(createHostKey().publicKey).not.toBe(hostKey.publicKey);
  });
});

describe('userData', () => {
  it('carries keys and host key as a cloud-config', () => {
    const text = userData(settings);
    expect(text).toContain('#cloud-config\n');
    expect(text).toContain('ssh_authorized_keys:\n  - ssh-ed25519 AAAA me@here\n');
    expect(text).toContain(
      'ssh_keys:\n  ed25519_private: |\n    -----BEGIN OPENSSH PRIVATE KEY-----\n',
    );
    expect(text).toContain(`  ed25519_public: ${hostKey.publicKey}\n`);
  });

  it('keeps of a key only what neither YAML nor a shell trips over', () => {
    const text = userData({
      ...settings,
      authorizedKeys: ['ssh-rsa AAAAB3== my key: "#1"', 'ssh-rsa BBBB $(reboot)'].map(ofRoot),
    });
    expect(text).toContain(
      'ssh_authorized_keys:\n  - ssh-rsa AAAAB3== my\n  - ssh-rsa BBBB\nssh_keys',
    );
  });

  it.each(['ssh-ed25519', 'ssh-ed25519 AAAA\nssh-rsa BBBB', 'command="x" ssh-rsa AAAA', ''])(
    'refuses %j as a key',
    (key) => {
      expect(() => userData({ ...settings, authorizedKeys: [ofRoot(key)] })).toThrow(
        'is not a public SSH key',
      );
    },
  );

  it('gives other users than root keys of their own', () => {
    const publicKey = 'ssh-ed25519 BBBB';
    const text = userData({ ...settings, authorizedKeys: [{ user: 'deploy', publicKey }] });
    expect(text).not.toContain('\nssh_authorized_keys:');
    expect(text).toMatch(
      /users:\n  - default\n  - name: deploy\n(    .*\n)+      - ssh-ed25519 BBBB\n/,
    );
    const bad = { user: 'a: b', publicKey };
    expect(() => userData({ ...settings, authorizedKeys: [bad] })).toThrow('cannot name a user');
  });

  it('refuses a startup script without an interpreter', () => {
    expect(() =>
      seedDisk({ ...settings, startupScript: 'echo hello' }, { nonce: 'n', script: '' }),
    ).toThrow('must begin with #!');
  });

  it("joins the caller's own user data as a part of its kind, behind a boundary it does not contain", () => {
    const own = '#!/bin/sh\necho --imgkit-part\n';
    const text = userData({ ...settings, userData: own });
    const boundary = /boundary="(.*)"/.exec(text)?.[1] ?? '';
    const parts = text.split(`--${boundary}`);
    expect(parts).toHaveLength(4);
    expect(parts[1]).toContain('ssh_authorized_keys:\n  - ssh-ed25519 AAAA me@here\n');
    expect(parts[2]).toContain(`text/x-shellscript; charset="utf-8"`);
    expect(parts[2]).toContain(own);
    expect(parts[3]).toBe('--\n');
  });

  it('refuses user data of a kind that cloud-init does not know', () => {
    expect(() => userData({ ...settings, userData: 'hello' })).toThrow(
      'no kind that cloud-init knows',
    );
  });
});

describe('metaData', () => {
  it.each(['', '-a', 'a_b', 'a'.repeat(64), 'A', 'a\nb'])('refuses %j as a host name', (name) => {
    expect(() => metaData({ ...settings, hostname: name })).toThrow('is not a host name');
  });
});
