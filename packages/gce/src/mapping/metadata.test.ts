import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ImgkitError } from '@imgkit/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { object, objects, text, type WireObject } from '../api/wire.ts';
import { changedMetadata, readMetadata, toMetadata, type GuestData } from './metadata.ts';

const publicKey = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ bake';

function items(metadata: WireObject): Record<string, string | undefined> {
  return Object.fromEntries(
    objects(metadata, 'items').map((item) => [text(item, 'key') ?? '', text(item, 'value')]),
  );
}

function made(data: Partial<GuestData>): Record<string, string | undefined> {
  return items(toMetadata({ launch: 'one', ...data }));
}

const refused = expect.toSatisfy((error) => ImgkitError.is(error, 'INVALID_ARGUMENT'));

describe('the metadata of a machine', () => {
  it('lets exactly those in who are named', () => {
    const authorizedKeys = [
      { user: 'imgkit', publicKey },
      { user: 'root', publicKey: `${publicKey}\n` },
    ];
    expect(made({ authorizedKeys })).toMatchObject({
      'ssh-keys': `imgkit:${publicKey}\nroot:${publicKey}`,
      'block-project-ssh-keys': 'TRUE',
      'enable-oslogin': 'FALSE',
    });
    expect(made({})).not.toHaveProperty('enable-oslogin');
  });

  it('takes the user’s word on OS Login', () => {
    const authorizedKeys = [{ user: 'imgkit', publicKey }];
    const metadata = { 'enable-oslogin': 'TRUE' };
    expect(made({ authorizedKeys, metadata })['enable-oslogin']).toBe('TRUE');
  });

  it('is read back as it was given', () => {
    const metadata = { role: 'web', 'cluster-name': 'a' };
    const image = 'projects/p/global/images/web-1';
    const data = { metadata, ports: [80, 443, 80], image, startupScript: 'true' };
    const machine = { metadata: toMetadata({ launch: 'one', ...data }) };
    expect(readMetadata(machine)).toEqual({ metadata, image, ports: [22, 80, 443] });
    expect(readMetadata({ metadata: { items: [{ key: 'role', value: 'web' }] } })).toEqual({
      metadata: { role: 'web' },
      image: undefined,
      ports: undefined,
    });
  });

  it.each<[string, Partial<GuestData>]>([
    ['two ways to set the guest up', { startupScript: 'true', userData: '#cloud-config' }],
    ['a key that has a field of its own', { metadata: { 'ssh-keys': 'x' } }],
    ['a key that isn’t one', { metadata: { 'a b': 'x' } }],
    ['a value that is too long', { metadata: { a: 'x'.repeat(262_145) } }],
    ['too much in all', { metadata: { a: 'x'.repeat(262_144), b: 'x'.repeat(262_144) } }],
    ['a user that isn’t one', { authorizedKeys: [{ user: 'a:b', publicKey }] }],
    [
      'two keys in one',
      { authorizedKeys: [{ user: 'a', publicKey: `${publicKey}\n${publicKey}` }] },
    ],
    ['a port that isn’t one', { ports: [65_536] }],
  ])('isn’t made with %s', (_, data) => {
    expect(() => made(data)).toThrow(refused);
  });

  it('is changed where it is asked for, and else stays as a machine image holds it', () => {
    const data = {
      metadata: { role: 'web', size: 'small' },
      ports: [80],
      userData: '#cloud-config',
    };
    const held = toMetadata({ launch: 'one', ...data });
    const changed = changedMetadata(held, { launch: 'two', metadata: { role: 'db' } });
    expect(items(changed)).toEqual({ ...items(held), role: 'db' });
    const open = changedMetadata(held, { launch: 'two', ports: [5432] });
    expect(readMetadata({ metadata: open }).ports).toEqual([22, 5432]);
    const own = { items: [{ key: 'enable-guest-attributes', value: 'FALSE' }] };
    expect(items(changedMetadata(own, { launch: 'two' }))['enable-guest-attributes']).toBe('FALSE');
  });
});

describe('a startup script', () => {
  let directory: string;
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'imgkit-startup-'));
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  /** Boots: runs what the guest agent would run, with the mark in our own directory. */
  function boot(data: Partial<GuestData>): void {
    const script = made(data)['startup-script'] ?? '';
    const path = join(directory, 'script');
    writeFileSync(path, script.replaceAll('/var/lib/imgkit', join(directory, 'state')), {
      mode: 0o700,
    });
    execFileSync(path, { env: { ...process.env, LOG: join(directory, 'log') } });
  }

  const log = (): string => readFileSync(join(directory, 'log'), 'utf8');

  it('runs at the first boot of each launch, whatever is in it', () => {
    const startupScript = 'echo "it\'s $((1 + 1)) \\$ `echo x`" >> "$LOG"';
    boot({ startupScript });
    boot({ startupScript });
    expect(log()).toBe("it's 2 $ x\n");
    boot({ startupScript, launch: 'another' });
    expect(log()).toBe("it's 2 $ x\nit's 2 $ x\n");
  });

  it('runs with the interpreter it names, and says how it ended', () => {
    const startupScript = `#!${process.execPath}\nrequire('fs').appendFileSync(process.env.LOG, 'node');process.exit(3)\n`;
    expect(() => boot({ startupScript })).toThrow(expect.objectContaining({ status: 3 }));
    expect(log()).toMatch(/node$/);
  });
});

it('has no metadata where there is none', () => {
  expect(readMetadata(object({}, 'none'))).toEqual({
    metadata: {},
    image: undefined,
    ports: undefined,
  });
});
