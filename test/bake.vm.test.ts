import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { family } from '@imgkit/core';
import { cloudImage, qemuStore } from '@imgkit/qemu';
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import type { Job, Line, Step } from './bake-program.fixture.ts';
import { BakeWorld, machinesBelow, type Ended } from './support/bake-world.ts';
import { filesWith, keyMaterial } from './support/disclosure.ts';

const base = inject('tinyBase');
const password = 'hunter2-&-"quoted"-s3cret';

const identity = [
  'echo "machine-id $(cat /etc/machine-id)"',
  'echo "host-key $(md5sum </etc/dropbear/dropbear_ed25519_host_key)"',
  'echo "boot-id $(cat /proc/sys/kernel/random/boot_id)"',
];
const tellIdentity: Step = { shell: { inline: identity } };

/** What the guest printed. */
const printed = ({ lines }: Pick<Ended, 'lines'>) =>
  lines.flatMap((line) => (line.tells === 'event' && line.type === 'output' ? [line.message] : []));
const told = (end: Ended, what: string) =>
  printed(end).flatMap((line) =>
    line.startsWith(`${what} `) ? [line.slice(what.length + 1)] : [],
  );
/** Looks into the file system on the disk of a tiny machine. */
const onDisk = (disk: string, command: string) =>
  execFileSync('debugfs', ['-R', command, `${disk}?offset=${2 ** 20}`], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
    env: { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin:/sbin` },
  });
const isEvent = (type: string) => (line: Line) => line.tells === 'event' && line.type === type;

describe.skipIf(base.image === undefined)(`a bake in real machines ${base.missing ?? ''}`, () => {
  let world: BakeWorld;
  beforeAll(async () => {
    world = await BakeWorld.open(inject('vmDirectory'), base.image?.path ?? '');
  });
  afterEach(() => world.stopAll());
  afterAll(() => world[Symbol.asyncDispose]());

  const first: Omit<Job, 'directory'> = {
    version: '1',
    provision: [
      { file: { content: 'settings\n', destination: '/etc/app.conf', mode: 0o600 } },
      {
        shell: {
          inline: ['echo "colour $COLOUR"', 'echo "password $PASSWORD"'],
          env: { COLOUR: 'green' },
        },
        secrets: { PASSWORD: password },
      },
      tellIdentity,
      { reboot: true },
      tellIdentity,
    ],
    verify: [tellIdentity, { shell: { inline: ['cat /etc/app.conf', 'ls -l /etc/app.conf'] } }],
  };
  const second: Omit<Job, 'directory'> = {
    version: '2',
    from: { qemu: family('app') },
    provision: [tellIdentity],
    verify: [tellIdentity],
  };
  let one: Ended;
  let two: Ended;

  it('makes one image, verified, and tells no secret', async () => {
    const program = world.start(first);
    await program.until(isEvent('step-start'));
    const keys = keyMaterial(join(world.state, 'bake-keys'));
    expect(keys.length).toBeGreaterThan(2);
    one = await program.ended;
    expect(one.error).toBeUndefined();
    expect(one.result).toMatchObject({ name: 'app-1', reused: false });
    expect(await world.leftovers()).toEqual([]);
    expect(printed(one)).toEqual(
      expect.arrayContaining(['colour green', 'password [secret]', 'settings']),
    );
    expect(printed(one).at(-1)).toMatch(/^-rw------- .*root/u);
    // Three boots, of two machines.
    const [beforeIt, afterIt, verifier] = told(one, 'boot-id');
    expect(new Set([beforeIt, afterIt, verifier]).size).toBe(3);
    const [builderId, sameId, verifierId] = told(one, 'machine-id');
    expect(sameId).toBe(builderId);
    expect(verifierId).not.toBe(builderId);

    // Nothing tells the secret, or a key, and the image doesn't hold them either.
    expect(JSON.stringify(one.lines)).not.toContain('hunter2');
    const disk = await world.rawDisk('app-1');
    expect(filesWith([world.store, world.state], ['hunter2'])).toEqual([]);
    // The memory of a machine that was saved holds the host key that it had then; nobody else has it.
    expect(
      filesWith([world.store, world.state], keys).filter(
        (found) => !/\/warm\/\w+\/memory: /u.test(found),
      ),
    ).toEqual([]);
    expect(filesWith([disk], ['hunter2', ...keys])).toEqual([]);
    expect(onDisk(disk, 'cat /etc/app.conf')).toBe('settings\n');
    expect(onDisk(disk, 'cat /etc/machine-id')).toBe('');
    expect(onDisk(disk, 'cat /root/.ssh/authorized_keys')).toBe('');
    expect(onDisk(disk, 'ls -p /etc/dropbear')).not.toContain('host_key');
    rmSync(disk);
  });

  it('makes images whose machines are nobody yet, and deprecates the version before', async () => {
    two = await world.bake(second);
    expect(two.error).toBeUndefined();
    expect(new Set([...told(one, 'machine-id'), ...told(two, 'machine-id')]).size).toBe(4);
    expect(told(two, 'host-key')[0]).not.toBe(told(one, 'host-key')[0]);
    expect(two.result?.predecessors).toEqual([`qemu:${one.result?.id}`]);
    expect(await world.images()).toEqual([
      'app-1: published DEPRECATED',
      'app-2: published ACTIVE',
    ]);
    await world.use(async (kit) => {
      const { image, warnings } = await kit.images.forUse(`qemu:${one.result?.id}`);
      expect(image.deprecation.replacement).toMatchObject({ id: two.result?.id });
      expect(warnings[0]?.message).toContain('app-2');
      expect((await kit.families.head('qemu', 'app')).name).toBe('app-2');
    });
    expect(await world.leftovers()).toEqual([]);
  });

  it('uses again at once what stands', async () => {
    const { result, lines } = await world.bake(first);
    expect(lines.filter(isEvent('reused'))).toHaveLength(1);
    expect(result).toMatchObject({ id: one.result?.id, reused: true });
    // Others may be at work on this computer, which may be a slow one: any machine that boots takes longer there too.
    expect(result?.durationMs).toBeLessThan(8000);
  });

  it('tells all there is to know of a step that fails, and leaves nothing', async () => {
    const { error, lines } = await world.bake({
      name: 'fails',
      version: '1',
      provision: [
        {
          shell: { inline: ['echo going well', 'echo "with $PASSWORD" >&2', 'exit 7'] },
          secrets: { PASSWORD: password },
        },
      ],
    });
    const step = 'provision[0] shell echo going well';
    expect(error).toMatchObject({
      code: 'OPERATION_FAILED',
      data: { step, exitCode: 7, output: ['going well', 'with [secret]'] },
    });
    expect(error?.message).toContain(step);
    expect(error?.message).toContain('with [secret]');
    expect(error?.data).toMatchObject({
      console: expect.arrayContaining([expect.stringContaining('Pubkey auth succeeded')]),
    });
    expect(JSON.stringify(lines)).not.toContain('hunter2');
    expect(await world.images()).not.toContainEqual(expect.stringMatching(/^fails/u));
    expect(await world.leftovers()).toEqual([]);
    expect(filesWith([world.store, world.state], ['hunter2'])).toEqual([]);
  });

  it('publishes nothing that fails its verification, and keeps the machine for a look if told to', async () => {
    const { error } = await world.bake({
      version: '3',
      keepOnFailure: true,
      provision: [{ shell: { inline: ['echo three'] } }],
      verify: [{ shell: { inline: ['test -e /no/such/file'] } }],
    });
    expect(error?.data).toMatchObject({ step: 'verify[0] shell test -e /no/such/file' });
    expect(await world.images()).toEqual([
      'app-1: published DEPRECATED',
      'app-2: published ACTIVE',
      'app-3: staged ACTIVE',
    ]);
    // The verifier, and neither the builder nor a second verifier.
    expect(machinesBelow(world.store)).toHaveLength(1);
    const login = /ssh -i (\S+) .*-p (\d+) root@127\.0\.0\.1/u.exec(error?.hint ?? '');
    expect(statSync(login?.[1] ?? '').mode & 0o777).toBe(0o600);
    expect(error?.hint).toContain(error?.runId);
    await world.use(async (kit) => {
      expect((await kit.families.head('qemu', 'app')).name).toBe('app-2');
      const { left } = await kit.runs.cleanup(error?.runId ?? '');
      expect(left).toEqual([]);
    });
    // Keys of runs that are over go with the next bake.
    expect((await world.bake(first)).result?.reused).toBe(true);
    expect(await world.images()).toHaveLength(2);
    expect(await world.leftovers()).toEqual([]);
  });

  describe('that can not be', () => {
    const good: Omit<Job, 'directory'> = {
      name: 'bad',
      version: '1',
      provision: [{ shell: { inline: ['true'] } }],
    };
    const cases: readonly (readonly [string, Partial<Job>, string, RegExp])[] = [
      ['an unknown family', { from: { qemu: family('nobody') } }, 'NOT_FOUND', /nobody/u],
      [
        'two sources',
        { from: { qemu: Object.assign(family('base'), { provider: 'qemu', id: 'x' }) } },
        'INVALID_ARGUMENT',
        /exactly one/u,
      ],
      ['a name that is forbidden', { name: 'Bad_Name' }, 'INVALID_ARGUMENT', /Bad_Name/u],
      [
        'a family whose name is forbidden',
        { family: 'bad family' },
        'INVALID_ARGUMENT',
        /bad family/u,
      ],
      [
        'a script that is missing',
        { provision: [{ shell: { script: '/no/such/script.sh' } }] },
        'INVALID_ARGUMENT',
        /no\/such\/script/u,
      ],
      ['an unknown provider', { from: { cloud: 'cloud:x' } }, 'PROVIDER_NOT_FOUND', /cloud/u],
    ];

    /** Runs a program that has to be refused. */
    async function refused(job: Partial<Job>, env?: Record<string, string>) {
      const before = await world.snapshot();
      const { error } = await world.bake({ ...good, ...job }, { env: env ?? {} });
      expect(await world.snapshot()).toEqual(before);
      expect(machinesBelow(world.directory)).toEqual([]);
      return error;
    }

    it.each(cases)('is refused before anything is made: %s', async (_name, job, code, message) => {
      const error = await refused(job);
      expect(error).toMatchObject({ code, message: expect.stringMatching(message) });
      expect(error?.hint).toMatch(/\w+/u);
    });

    it('is refused before anything is made: no QEMU', async () => {
      const error = await refused({}, { PATH: '/nonexistent' });
      expect(error).toMatchObject({
        code: 'FAILED_PRECONDITION',
        message: expect.stringContaining('qemu'),
      });
      expect(error?.hint).toMatch(/install/u);
    });

    it('is refused before anything is made: a base file that can not be read', async () => {
      const text = join(world.directory, 'text');
      writeFileSync(text, '\x7fELF this is no disk');
      const before = await world.snapshot();
      const files = [
        ['/no/such/base.qcow2', 'NOT_FOUND'],
        [text, 'INVALID_ARGUMENT'],
        [world.directory, 'INVALID_ARGUMENT'],
      ] as const;
      await world.use(async (kit) => {
        const store = qemuStore(kit.providers.get('qemu'));
        for (const [file, code] of files)
          await expect(
            store.importBase(cloudImage({ file }), { family: 'other' }),
          ).rejects.toMatchObject({ code, message: expect.stringContaining(file) });
      });
      expect(await world.snapshot()).toEqual(before);
    });

    it('fails at once, and leaves nothing, when the disk of its base is gone', async () => {
      const blobs = join(world.store, 'blobs');
      const away = join(world.directory, 'away');
      const states = readdirSync(join(world.store, 'warm'));
      renameSync(blobs, away);
      mkdirSync(blobs);
      try {
        const { error } = await world.bake(good);
        expect(error).toMatchObject({
          code: 'FAILED_PRECONDITION',
          message: expect.stringContaining('"base-1" is missing'),
          hint: expect.stringContaining('verify'),
        });
      } finally {
        rmSync(blobs, { recursive: true });
        renameSync(away, blobs);
      }
      expect(readdirSync(join(world.store, 'warm'))).toEqual(states);
      expect(await world.leftovers()).toEqual([]);
    });

    it('is refused before anything is made: no space', async (test) => {
      const mount = join(inject('vmDirectory'), 'small');
      mkdirSync(mount);
      try {
        execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=128m,mode=700', 'imgkit-test', mount]);
      } catch {
        test.skip('a small file system can not be mounted here');
      }
      try {
        await using small = await BakeWorld.open(mount, base.image?.path ?? '');
        const before = await small.snapshot();
        const { error } = await small.bake(good);
        expect(error).toMatchObject({
          code: 'QUOTA_EXCEEDED',
          message: expect.stringContaining(mount),
          hint: expect.stringContaining('space'),
        });
        expect(await small.snapshot()).toEqual(before);
        expect(await small.leftovers()).toEqual([]);
      } finally {
        execFileSync('umount', ['-l', mount]);
      }
    });
  });
});
