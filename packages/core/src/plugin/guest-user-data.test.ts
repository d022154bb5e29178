import { describe, expect, it } from 'vitest';

import { guestUserData } from './guest-user-data.ts';

const privateKey = '-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n';
const hostKey = { privateKey, publicKey: 'ssh-ed25519 CCCC' };
const settings = {
  authorizedKeys: [{ user: 'root', publicKey: 'ssh-ed25519 AAAA me@here' }],
  hostKey,
};
const ofRoot = (publicKey: string) => ({ user: 'root', publicKey });

describe('guestUserData', () => {
  it('carries keys and host key as a cloud-config', () => {
    const text = guestUserData(settings);
    expect(text).toContain('#cloud-config\n');
    expect(text).toContain('ssh_authorized_keys:\n  - ssh-ed25519 AAAA me@here\n');
    expect(text).toContain(
      'ssh_keys:\n  ed25519_private: |\n    -----BEGIN OPENSSH PRIVATE KEY-----\n',
    );
    expect(text).toContain(`  ed25519_public: ${hostKey.publicKey}\n`);
  });

  it('leaves the host key to the guest when none is given', () => {
    const { authorizedKeys } = settings;
    expect(guestUserData({ authorizedKeys })).not.toContain('ssh_keys');
  });

  it('keeps of a key only what neither YAML nor a shell trips over', () => {
    const text = guestUserData({
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
      expect(() => guestUserData({ ...settings, authorizedKeys: [ofRoot(key)] })).toThrow(
        'is not a public SSH key',
      );
    },
  );

  it('gives other users than root keys of their own', () => {
    const publicKey = 'ssh-ed25519 BBBB';
    const text = guestUserData({ ...settings, authorizedKeys: [{ user: 'deploy', publicKey }] });
    expect(text).not.toContain('\nssh_authorized_keys:');
    expect(text).toMatch(
      /users:\n  - default\n  - name: deploy\n(    .*\n)+      - ssh-ed25519 BBBB\n/,
    );
    const bad = { user: 'a: b', publicKey };
    expect(() => guestUserData({ ...settings, authorizedKeys: [bad] })).toThrow(
      'cannot name a user',
    );
  });

  it('refuses a startup script without an interpreter', () => {
    expect(() => guestUserData({ ...settings, startupScript: 'echo hello' })).toThrow(
      'must begin with #!',
    );
  });

  it("joins the caller's own user data as a part of its kind, behind a boundary it does not contain", () => {
    const own = '#!/bin/sh\necho --imgkit-part\n';
    const text = guestUserData({ ...settings, userData: own });
    const boundary = /boundary="(.*)"/.exec(text)?.[1] ?? '';
    const parts = text.split(`--${boundary}`);
    expect(parts).toHaveLength(4);
    expect(parts[1]).toContain('ssh_authorized_keys:\n  - ssh-ed25519 AAAA me@here\n');
    expect(parts[2]).toContain(`text/x-shellscript; charset="utf-8"`);
    expect(parts[2]).toContain(own);
    expect(parts[3]).toBe('--\n');
  });

  it('refuses user data of a kind that cloud-init does not know', () => {
    expect(() => guestUserData({ ...settings, userData: 'hello' })).toThrow(
      'no kind that cloud-init knows',
    );
  });
});
