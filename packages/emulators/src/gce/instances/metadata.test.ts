import { describe, expect, it } from 'vitest';

import { effectiveMetadata, metadataOf, metadataProblem, sshKeysOf } from './metadata.ts';

const items = (...pairs: readonly (readonly [string, string])[]) => ({
  items: pairs.map(([key, value]) => ({ key, value })),
});

describe('metadata', () => {
  it('is read as keys and values', () => {
    expect(metadataOf({ metadata: items(['a', '1'], ['b', '']) })).toEqual({ a: '1', b: '' });
    expect(metadataOf({})).toEqual({});
  });

  it('has limits', () => {
    expect(metadataProblem(items(['a', 'x'.repeat(262_144)]))).toBeUndefined();
    expect(metadataProblem(items(['a', 'x'.repeat(262_145)]))).toContain('too large');
    const large = 'x'.repeat(200_000);
    expect(metadataProblem(items(['a', large], ['b', large], ['c', large]))).toContain('total');
    expect(metadataProblem(items(['a b', '']))).toContain('regex');
    expect(metadataProblem(items(['a', '1'], ['a', '2']))).toContain('duplicate');
  });
});

describe('what a guest reads', () => {
  it('is its project’s metadata too, SSH keys added up unless it blocks them', () => {
    const common = { 'ssh-keys': 'a:k1', zone: 'x', role: 'any' };
    expect(effectiveMetadata(common, { 'ssh-keys': 'b:k2', role: 'web' })).toEqual({
      'ssh-keys': 'a:k1\nb:k2',
      zone: 'x',
      role: 'web',
    });
    const blocks = { 'ssh-keys': 'b:k2', 'block-project-ssh-keys': 'TRUE' };
    expect(effectiveMetadata(common, blocks)['ssh-keys']).toBe('b:k2');
    expect(effectiveMetadata({}, {})).toEqual({});
  });
});

describe('ssh-keys', () => {
  it('give users and their keys, without those whose time is over', () => {
    const lines = [
      'builder:ssh-ed25519 AAAA one',
      '',
      'late:ssh-rsa BBBB google-ssh {"userName":"late","expireOn":"2026-01-01T00:00:00+0000"}',
      'nonsense',
    ];
    const keys = (now: string) => sshKeysOf({ 'ssh-keys': lines.join('\n') }, Date.parse(now));
    expect(keys('2026-06-01')).toEqual([{ user: 'builder', publicKey: 'ssh-ed25519 AAAA one' }]);
    expect(keys('2025-06-01').map(({ user }) => user)).toEqual(['builder', 'late']);
  });
});
