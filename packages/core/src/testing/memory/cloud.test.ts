import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createImgkit } from '../../imgkit.ts';
import { createMemoryProvider, memory, memoryCloud, type MemoryCloudOptions } from './index.ts';

const MiB = 1_048_576;
let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'imgkit-memory-'));
});
afterEach(() => rm(directory, { recursive: true }));

function setUp(options: MemoryCloudOptions = {}) {
  const cloud = memoryCloud(options);
  return { cloud, provider: createMemoryProvider({ cloud }) };
}

describe('a memory cloud', () => {
  it('allows no more than its quotas', async () => {
    const { provider } = setUp({ quotas: { disk: 1, instance: 1 } });
    const disk = await provider.disks.create({ name: 'a', sizeBytes: MiB });
    const more = provider.disks.create({ name: 'b', sizeBytes: MiB });
    await expect(more).rejects.toMatchObject({ code: 'QUOTA_EXCEEDED' });
    const used = (await provider.limits.quotas()).find(({ unit }) => unit === 'disks');
    expect(used).toMatchObject({ limit: 1, used: 1 });
    await provider.disks.delete(disk.id);
    const source = { kind: 'file', file: await rawFile() } as const;
    const image = await provider.images.create({ name: 'v1', source });
    const template = { boot: { kind: 'image', image: image.ref } } as const;
    const fleet = provider.fleets.create({ name: 'web', size: 2, template });
    await expect(fleet).rejects.toMatchObject({ code: 'QUOTA_EXCEEDED' });
  });

  it('keeps its projects apart, but for what is shared', async () => {
    const { cloud, provider } = setUp();
    const other = createMemoryProvider({ cloud, name: 'other', project: 'team-b' });
    const disk = await provider.disks.create({ name: 'a', sizeBytes: MiB });
    await expect(other.disks.get(disk.id)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(other.disks.delete(disk.id)).rejects.toMatchObject({ code: 'PERMISSION_DENIED' });
    const same = await other.disks.create({ name: 'a', sizeBytes: MiB });
    expect(same.id).not.toBe(disk.id);
  });

  it('shows the same replacement to each provider under its own name', async () => {
    const { cloud, provider } = setUp();
    const twin = createMemoryProvider({ cloud, name: 'twin' });
    const source = { kind: 'file', file: await rawFile() } as const;
    const old = await provider.images.create({ name: 'v1', source });
    const { ref } = await provider.images.create({ name: 'v2', source });
    await provider.deprecation.set(old.ref.id, { state: 'DEPRECATED', replacement: ref });
    const seen = await twin.images.get(old.ref.id);
    expect(seen.deprecation.replacement).toEqual({ provider: 'twin', id: ref.id });
  });

  it('logs each request, and each page of a listing as one', async () => {
    const { cloud, provider } = setUp({ pageSize: 1 });
    await provider.disks.create({ name: 'a', sizeBytes: MiB });
    for await (const _ of provider.disks.list()) break;
    expect(cloud.calls).toEqual([
      { provider: 'memory', project: 'default', operation: 'disks.create', resource: 'a' },
      { provider: 'memory', project: 'default', operation: 'disks.list', resource: undefined },
    ]);
  });

  it('is the only one a memory provider works on', () => {
    const cloud = { ...memoryCloud() };
    expect(() => createMemoryProvider({ cloud })).toThrow(/not a memory cloud/u);
  });

  it('forgets its faults when it is told to', async () => {
    const { cloud, provider } = setUp();
    cloud.faults.fail('*', { times: Infinity });
    const hold = cloud.faults.hold('disks.create', { when: 'accepted' });
    cloud.faults.clear();
    const disk = await provider.disks.create({ name: 'a', sizeBytes: MiB });
    expect(disk.status).toBe('READY');
    hold.release();
  });
});

describe('the memory plugin', () => {
  it('makes providers of one cloud, without what they shall not have', async () => {
    const cloud = memoryCloud();
    const stateDirectory = join(directory, 'state');
    await using kit = await createImgkit({
      stateDirectory,
      providers: [
        memory({ name: 'one', project: 'team-a', cloud }),
        memory({ name: 'two', project: 'team-b', cloud, without: ['sharing'] }),
      ],
    });
    const [one, two] = ['one', 'two'].map((name) => kit.providers.get(name));
    expect([one?.project, two?.project]).toEqual(['team-a', 'team-b']);
    expect(one?.sharing).toBeDefined();
    expect(two?.sharing).toBeUndefined();
    await one?.disks?.create({ name: 'a', sizeBytes: MiB });
    expect(cloud.inventory()).toMatchObject([{ project: 'team-a' }]);
  });

  it('takes no cloud that isn’t one', () => {
    const cloud = { ...memoryCloud() };
    expect(() => memory({ cloud })).toThrow(/must come from memoryCloud/u);
  });
});

async function rawFile(): Promise<string> {
  const file = join(directory, 'disk.raw');
  await writeFile(file, 'a disk');
  return file;
}
