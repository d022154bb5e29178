import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createHostKey } from './host-key.ts';
import { metaData } from './meta-data.ts';

const hostKey = createHostKey();
const settings = {
  instanceId: 'i-1',
  hostname: 'web',
  authorizedKeys: [{ user: 'root', publicKey: 'ssh-ed25519 AAAA me@here' }],
  hostKey,
};
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

describe('metaData', () => {
  it.each(['', '-a', 'a_b', 'a'.repeat(64), 'A', 'a\nb'])('refuses %j as a host name', (name) => {
    expect(() => metaData({ ...settings, hostname: name })).toThrow('is not a host name');
  });
});
