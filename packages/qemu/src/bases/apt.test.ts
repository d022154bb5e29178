import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { chooseMirror, downloadKernel, sourceLines, sourceUrls, type Fetch } from './apt.ts';

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'imgkit-apt-'));
});

afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(directory, { recursive: true, force: true });
});

describe('sourceUrls', () => {
  it('reads sources of both formats', () => {
    const modern = `Types: deb
URIs: http://mirror.test/debian/
Suites: bookworm bookworm-updates

Types: deb
URIs: http://mirror.test/debian-security
Suites: bookworm-security`;
    const expected = {
      main: 'http://mirror.test/debian',
      security: 'http://mirror.test/debian-security',
    };
    expect(sourceUrls(modern)).toEqual(expected);
    const classic = `# deb http://commented.test/debian bookworm main
deb [signed-by=/k.gpg] http://mirror.test/debian bookworm main
deb http://mirror.test/debian-security bookworm-security main`;
    expect(sourceUrls(classic)).toEqual(expected);
  });

  it('finds nothing of Debian on another distribution', () => {
    expect(sourceUrls('deb http://mirror.test/ubuntu noble main')).toEqual({
      main: undefined,
      security: undefined,
    });
  });
});

describe('chooseMirror', () => {
  it('prefers what was asked for to what the machine uses, which may be no mirror of Debian', async () => {
    await mkdir(join(directory, 'sources.list.d'));
    expect(await chooseMirror(undefined, directory)).toBeUndefined();
    const file = join(directory, 'sources.list.d', 'x.sources');
    await writeFile(file, 'Types: deb\nURIs: http://mirror.test/debian\n');
    expect(await chooseMirror(undefined, directory)).toEqual({ main: 'http://mirror.test/debian' });
    expect(await chooseMirror('http://own.test/debian/', directory)).toEqual({
      main: 'http://own.test/debian',
    });
    await expect(chooseMirror('own.test', directory)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
  });
});

describe('sourceLines', () => {
  it('has updates and security updates only where there are any', () => {
    const mirror = { main: 'http://m.test/debian' };
    expect(sourceLines('bookworm', undefined)).toEqual([]);
    expect(sourceLines('bookworm', mirror)).toHaveLength(1);
    const lines = sourceLines('bookworm', { ...mirror, security: 'http://m.test/debian-security' });
    expect(lines.map((line) => line.split(' ').slice(3).join(' '))).toEqual([
      'http://m.test/debian bookworm main',
      'http://m.test/debian bookworm-updates main',
      'http://m.test/debian-security bookworm-security main',
    ]);
  });
});

const wanted = (): Fetch => ({
  directory,
  mirror: { main: 'http://m.test/debian' },
  suite: 'bookworm',
  signal: undefined,
});

/** Puts programs into the PATH that stand for apt's. */
async function fakeApt(cache: string, get: string): Promise<void> {
  const bin = join(directory, 'bin');
  await mkdir(bin);
  for (const [name, body] of [['apt-cache', cache] as const, ['apt-get', get] as const]) {
    await writeFile(join(bin, name), `#!/bin/sh\necho "$0 $*" >> ${directory}/log\n${body}\n`);
    await chmod(join(bin, name), 0o755);
  }
  vi.stubEnv('PATH', `${bin}:${process.env['PATH']}`);
}

describe('downloadKernel', () => {
  const knows = 'echo "  Depends: linux-image-6.1.0-1-cloud-amd64"';
  const downloads =
    'case "$*" in *download*) : > linux-image-6.1.0-1-cloud-amd64_6.1_amd64.deb ;; esac';

  it('asks the lists of this machine first', async () => {
    await fakeApt(knows, downloads);
    await expect(downloadKernel(wanted())).resolves.toBe(
      join(directory, 'linux-image-6.1.0-1-cloud-amd64_6.1_amd64.deb'),
    );
    expect(await readFile(join(directory, 'log'), 'utf8')).not.toContain('update');
  });

  it('fetches lists of its own when those are empty', async () => {
    await fakeApt(`case "$*" in *Dir::State*) ${knows} ;; *) exit 100 ;; esac`, downloads);
    await downloadKernel(wanted());
    const log = await readFile(join(directory, 'log'), 'utf8');
    expect(log).toMatch(/apt-get .*Dir::State::Lists=\S+\/apt\/lists .*update/);
    expect(await readFile(join(directory, 'apt/sources.list'), 'utf8')).toContain(
      'http://m.test/debian bookworm main',
    );
  });

  it('says what is missing where there is no mirror to fetch them from', async () => {
    await fakeApt('exit 100', downloads);
    await expect(downloadKernel({ ...wanted(), mirror: undefined })).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      hint: expect.stringContaining('mirror'),
    });
  });

  it('says so when the mirror does not answer', async () => {
    await fakeApt(
      'exit 100',
      'echo "E: Failed to fetch http://m.test Could not connect" >&2; exit 100',
    );
    await expect(downloadKernel(wanted())).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      resource: 'http://m.test/debian',
    });
  });
});
