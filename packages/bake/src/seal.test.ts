import { spawnSync } from 'node:child_process';
import {
  chmod,
  mkdir,
  mkdtemp,
  readFile,
  readdir,
  rm,
  symlink,
  writeFile,
  copyFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { generateSshKeyPair } from './communicator/ssh-keys.ts';
import { sealScript, type SealOptions } from './seal.ts';

const busybox = spawnSync('sh', ['-c', 'command -v busybox']).stdout.toString().trim();
const canChroot =
  busybox !== '' &&
  process.getuid?.() === 0 &&
  spawnSync(busybox, ['chroot', '/', 'true']).status === 0;
if (!canChroot) console.warn('Sealing is not tested: it needs root and a static busybox.');

describe.runIf(canChroot)('sealing', () => {
  let root: string;
  const login = generateSshKeyPair('imgkit login');
  const own = generateSshKeyPair('admin@example.org');

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'imgkit-seal-'));
    await mkdir(join(root, 'bin'));
    await copyFile(busybox, join(root, 'bin/busybox'));
    for (const name of ['sh', 'rm', 'cat', 'grep', 'find', 'tr', 'sync', 'mkdir', 'ln', 'sleep'])
      await symlink('busybox', join(root, 'bin', name));
    await put('dev/null', '');
    // Never the real ones, whatever the script does.
    for (const name of ['poweroff', 'fstrim', 'systemctl'])
      await put(`usr/local/sbin/${name}`, `#!/bin/sh\necho "$*" >>/${name}-was-called\n`, 0o755);
  });
  // What was told to power off may still be writing that it was told.
  afterEach(() => rm(root, { recursive: true, maxRetries: 5 }));

  async function put(path: string, content: string, mode = 0o644) {
    await mkdir(join(root, dirname(path)), { recursive: true });
    await writeFile(join(root, path), content);
    await chmod(join(root, path), mode);
  }
  const read = (path: string) => readFile(join(root, path), 'utf8').catch(() => undefined);
  function seal(options: SealOptions | false = {}) {
    const { status, stdout, stderr } = spawnSync('chroot', [root, '/bin/sh', '-s'], {
      input: sealScript(login.publicKey, options),
    });
    expect(stderr.toString()).toBe('');
    expect(status).toBe(0);
    return stdout.toString().trim().split('\n');
  }
  /** The power-off is told in the background. */
  async function toldToPowerOff(by = 'poweroff') {
    for (let tries = 0; tries < 1000; tries++) {
      if ((await read(`${by}-was-called`)) !== undefined) return true;
      await new Promise((resolve) => {
        setTimeout(resolve, 10);
      });
    }
    return false;
  }

  /** Seals as a cloud wants it; gives what was told. */
  const sealFor = (options: SealOptions | false, script: string): string =>
    spawnSync(busybox, ['chroot', root, '/bin/sh', '-s'], {
      input: sealScript(login.publicKey, options, script),
      env: { PATH: '/bin' },
    }).stdout.toString();

  it('does what the cloud wants, unless nothing is to be sealed, and says when that fails', async () => {
    expect(sealFor(false, 'echo did > /it')).toContain('imgkit-sealed');
    expect(await read('it')).toBeUndefined();
    expect(sealFor({}, 'echo did > /it; exit 1')).toMatch(/^imgkit-warning .* has failed$/mu);
    expect(await read('it')).toBe('did\n');
  });

  it('takes the identity out of a guest with cloud-init, keeps what its owner put there, and powers off', async () => {
    await put('etc/machine-id', 'abc\n');
    await put('var/lib/dbus/machine-id', 'abc\n');
    await put('etc/ssh/sshd_config', '');
    await put('etc/ssh/ssh_host_ed25519_key', 'private');
    await put('etc/ssh/ssh_host_ed25519_key.pub', 'public');
    await put('etc/cloud/cloud.cfg', '');
    await put('usr/bin/cloud-init', '#!/bin/sh\n', 0o755);
    await put('var/lib/cloud/instances/i-1/sem/config_ssh', '');
    await put('var/log/cloud-init.log', 'x');
    await put('root/.ssh/authorized_keys', `no-pty ${login.publicKey}\n${own.publicKey}\n`, 0o600);
    await put('home/debian/.ssh/authorized_keys', `${login.publicKey}\n`, 0o600);
    await put('root/.bash_history', 'secret');
    await put('home/debian/.python_history', 'secret');
    await put('var/lib/systemd/random-seed', 'x');
    await put('var/lib/dhcp/dhclient.leases', 'x');
    await put('var/log/syslog', 'x');
    await put('var/log/syslog.1', 'x');
    await put('var/log/nginx/access.log', 'x', 0o640);
    await put('var/log/journal/abc/system.journal', 'x');
    await put('var/lib/imgkit-jobs/token', 'x');
    await put('run/imgkit-jobs/token', 'x');
    await put('var/cache/apt/archives/a.deb', 'x');
    await put('etc/app.conf', 'kept');

    for (const time of ['first', 'again']) {
      const lines = seal();
      expect(lines, time).toEqual(['imgkit-sealed']);
      expect(await read('etc/machine-id')).toBe('');
      expect(await read('var/lib/dbus/machine-id')).toBeUndefined();
      expect(await readdir(join(root, 'etc/ssh'))).toEqual(['sshd_config']);
      expect(await readdir(join(root, 'var/lib/cloud'))).toEqual([]);
      expect(await read('root/.ssh/authorized_keys')).toBe(`${own.publicKey}\n`);
      expect(await readdir(join(root, 'home/debian/.ssh'))).toEqual([]);
      for (const gone of [
        'root/.bash_history',
        'home/debian/.python_history',
        'var/lib/systemd/random-seed',
        'var/lib/dhcp/dhclient.leases',
        'var/log/syslog.1',
        'var/lib/imgkit-jobs/token',
        'run/imgkit-jobs/token',
        'var/log/cloud-init.log',
      ])
        expect(await read(gone), gone).toBeUndefined();
      expect(await readdir(join(root, 'var/log/journal'))).toEqual([]);
      expect(await read('var/log/syslog')).toBe('');
      expect(await read('var/log/nginx/access.log')).toBe('');
      expect(await read('var/cache/apt/archives/a.deb')).toBe('x');
      expect(await read('etc/app.conf')).toBe('kept');
      expect(await toldToPowerOff()).toBe(true);
      expect(await read('fstrim-was-called')).toContain('-a');
    }
  });

  it('waits for cloud-init to end, which would write its state again', async () => {
    await put('etc/cloud/cloud.cfg', '');
    await put('run/cloud-init/enabled', '');
    await put('var/lib/cloud/sem/x', '');
    const late = `(sleep 0.3; : >/run/cloud-init/result.json; : >/var/lib/cloud/late) & `;
    const input = late + sealScript(login.publicKey, {});
    const { status } = spawnSync('chroot', [root, '/bin/sh', '-s'], { input });
    expect(status).toBe(0);
    expect(await readdir(join(root, 'var/lib/cloud'))).toEqual([]);
  });

  it('doesn’t wait for a cloud-init that the recipe has cleaned, and that has nothing left to run', async () => {
    await put('run/cloud-init/enabled', '');
    await mkdir(join(root, 'run/systemd/system'), { recursive: true });
    const begun = performance.now();
    seal();
    // It would wait for 120 s.
    expect(performance.now() - begun).toBeLessThan(60_000);
  });

  it('waits for the parts of cloud-init that systemd has still to run', async () => {
    await put('run/cloud-init/enabled', '');
    await mkdir(join(root, 'run/systemd/system'), { recursive: true });
    const systemctl = `#!/bin/sh
case $1 in list-jobs) echo x >>/asked; [ -s /asked ] && grep -c x /asked | grep -q '[12]' && echo 'cloud-final.service start';; esac
echo "$*" >>/systemctl-was-called
`;
    await put('usr/local/sbin/systemctl', systemctl, 0o755);
    seal();
    expect((await read('asked'))?.match(/x/gu)).toHaveLength(3);
  });

  it('makes a guest without cloud-init make host keys of its own', async () => {
    await put('run/systemd/system/x', '');
    await put('usr/bin/ssh-keygen', '#!/bin/sh\n', 0o755);
    await put('etc/ssh/sshd_config', '');
    await put('etc/ssh/ssh_host_rsa_key', 'private');
    expect(seal()).toEqual(['imgkit-sealed']);
    expect(await readdir(join(root, 'etc/ssh'))).toEqual(['sshd_config']);
    expect(
      await read('etc/systemd/system/multi-user.target.wants/imgkit-ssh-host-keys.service'),
    ).toContain('ExecStart=ssh-keygen -A');
    expect(await toldToPowerOff('systemctl')).toBe(true);
  });

  it('leaves host keys, and says so, where nothing would make new ones', async () => {
    await put('etc/ssh/sshd_config', '');
    await put('etc/ssh/ssh_host_rsa_key', 'private');
    await put('etc/dropbear/dropbear_rsa_host_key', 'private');
    expect(seal()).toEqual([
      expect.stringContaining('imgkit-warning the SSH host keys stay'),
      expect.stringContaining('imgkit-warning the host keys of dropbear stay'),
      'imgkit-sealed',
    ]);
    expect(await read('etc/ssh/ssh_host_rsa_key')).toBe('private');
  });

  it('does what it is told of logs and packages, and without sealing only removes its own traces', async () => {
    await put('var/cache/apt/archives/a.deb', 'x');
    await put('var/log/syslog', 'x');
    seal({ packageCaches: true, logs: false });
    expect(await read('var/cache/apt/archives/a.deb')).toBeUndefined();
    expect(await read('var/log/syslog')).toBe('x');
    await put('etc/machine-id', 'abc');
    await put('root/.ssh/authorized_keys', `${login.publicKey}\n`);
    await put('var/lib/imgkit-jobs/token', 'x');
    expect(seal(false)).toEqual(['imgkit-sealed']);
    expect(await read('etc/machine-id')).toBe('abc');
    expect(await read('root/.ssh/authorized_keys')).toBeUndefined();
    expect(await read('var/lib/imgkit-jobs/token')).toBeUndefined();
  });
});
