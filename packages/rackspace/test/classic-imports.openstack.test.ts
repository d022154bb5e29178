import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { convert } from '@imgkit/core/local';
import { describe, expect, it, onTestFinished, vi } from 'vitest';

import { classicCloud, classicOptions, classicProvider } from './classic.ts';
import { killedProgram } from './killed.ts';
import { kitOf, missing, scratch } from './openstack.ts';

const container = 'imgkit';

/** An account with a disk that isn't an image yet. */
async function world(bytes = 3 << 20) {
  const cloud = await classicCloud();
  onTestFinished(() => cloud.faults.clear());
  const kit = await kitOf(await classicProvider('images'), await classicProvider('consumer-a'));
  const provider = kit.providers.get('images');
  const { transfer } = provider;
  if (transfer === undefined) throw new Error('no transfer');
  const run = `t-${randomBytes(4).toString('hex')}`;
  const labels = { 'imgkit-run': run };
  const directory = await scratch();
  const from = join(directory, 'disk.raw');
  await writeFile(from, randomBytes(bytes));
  const number = cloud.accounts.find('images')?.number ?? '';
  onTestFinished(async () => {
    cloud.faults.clear();
    for await (const { kind, id } of provider.owned.list(labels))
      await provider.owned.delete(kind, id);
  });
  return {
    cloud,
    number,
    provider,
    transfer,
    consumer: kit.providers.get('consumer-a'),
    request: { name: run, labels, from, idempotencyKey: run },
    labels,
    directory,
    /** What is in the container of disks. */
    objects: () => [...(cloud.store.containers(number).get(container)?.keys() ?? [])],
  };
}

async function owned(provider: Awaited<ReturnType<typeof world>>['provider'], labels: object) {
  const found: string[] = [];
  for await (const { id } of provider.owned.list({ ...labels })) found.push(id);
  return found;
}

describe.skipIf(missing !== undefined)('a disk on its way into the classic Rackspace cloud', () => {
  it('becomes an image with what machines need, and leaves nothing in Cloud Files', async () => {
    const { cloud, transfer, request, objects, provider } = await world();
    // What is throttled wasn't done, and may be asked for again.
    const before = cloud.tasks.count('import');
    cloud.faults.add({ match: /POST \/images\/.*\/tasks$/, kind: 'throttle' });
    const image = await transfer.import({ ...request, family: 'web', staged: true });
    expect(cloud.tasks.count('import')).toBe(before + 1);
    expect(image).toMatchObject({
      name: request.name,
      family: 'web',
      published: false,
      diskSizeBytes: 3 << 20,
      native: { vm_mode: 'hvm', xenapi_use_agent: 'False', disk_format: 'vhd' },
    });
    expect(objects()).toEqual([]);
    await expect(
      provider.sharing?.grant(image.ref.id, [{ kind: 'everyone' }]),
    ).rejects.toMatchObject({ code: 'UNSUPPORTED' });
    await expect(
      provider.sharing?.grant(image.ref.id, [{ kind: 'project', id: 'a'.repeat(32) }]),
    ).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', hint: expect.stringContaining('number') });
    expect(provider.deprecation?.traits.enforcesObsolete).toBe(false);
  });

  it('is converted from qcow2, where qemu-img is there', async () => {
    const { cloud, transfer, request, objects, directory } = await world();
    const from = join(directory, 'disk.qcow2');
    await convert(request.from, from, { from: 'raw', to: 'qcow2' });
    vi.stubEnv('PATH', '/nowhere');
    onTestFinished(() => void vi.unstubAllEnvs());
    const asked = cloud.requests.length;
    await expect(transfer.import({ ...request, from }).then(String)).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      hint: expect.stringContaining('qemu-utils'),
    });
    const made = cloud.requests.slice(asked).filter((line) => !line.startsWith('GET '));
    expect(made, 'it is said before anything is made').toEqual([]);

    vi.unstubAllEnvs();
    const image = await transfer.import({ ...request, from });
    expect(objects()).toEqual([]);
    const to = join(directory, 'copy.raw');
    await transfer.export({ image: image.ref.id, to, format: 'raw' });
    expect((await readFile(to)).equals(await readFile(request.from))).toBe(true);
  });

  it('is one image when every answer is lost once', async () => {
    const { cloud, transfer, request, objects, provider, labels } = await world();
    const before = cloud.tasks.count('import');
    cloud.faults.add({ match: /PUT \/files\/.*record\.json$/, kind: 'lost' });
    cloud.faults.add({ match: /PUT \/files\/.*00000001$/, kind: 'lost' });
    cloud.faults.add({ match: /POST \/images\/.*\/tasks$/, kind: 'lost' });
    cloud.faults.add({ match: /PATCH \/images\//, kind: 'lost', times: 2 });
    const image = await transfer.import(request);
    expect(cloud.tasks.count('import')).toBe(before + 1);
    expect(await owned(provider, labels)).toEqual([image.ref.id]);
    expect(objects()).toEqual([]);
  });

  it('says what is wrong with it, and leaves nothing', async () => {
    const { cloud, number, transfer, request, objects, provider, labels, directory } =
      await world();
    const whole = join(directory, 'whole.vhd');
    const made = await transfer.import(request);
    await transfer.export({ image: made.ref.id, to: whole, format: 'vhd' });
    await provider.images.delete(made.ref.id);
    const vhd = await readFile(whole);
    const broken = join(directory, 'broken.vhd');
    // A bit of its identity is another: the sum of the footer is wrong.
    vhd.writeUInt8(vhd.readUInt8(vhd.length - 440) ^ 1, vhd.length - 440);
    await writeFile(broken, vhd);
    await expect(transfer.import({ ...request, from: broken }).then(String)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      hint: expect.stringContaining('qemu-img'),
    });
    expect(objects()).toEqual([]);

    // What the cloud itself finds.
    const gate = Promise.withResolvers<void>();
    cloud.tasks.gate = gate.promise;
    const importing = transfer.import(request);
    await importing.token();
    const standing = cloud.store.containers(number).get(container);
    const first = objects().find((name) => name.endsWith('/00000000')) ?? '';
    const front = standing?.get(first)?.content;
    if (Buffer.isBuffer(front)) front.fill(0, 512, 1536);
    gate.resolve();
    await expect(importing.then(String)).rejects.toMatchObject({
      code: 'OPERATION_FAILED',
      providerCode: '111',
      hint: expect.stringContaining('qemu-img'),
    });
    expect(objects()).toEqual([]);
    expect(await owned(provider, labels)).toEqual([]);
  });

  it('is an image also when its task is forgotten before anybody asked', async () => {
    const { cloud, transfer, request } = await world();
    const gate = Promise.withResolvers<void>();
    cloud.tasks.gate = gate.promise;
    const importing = transfer.import(request);
    const token = await importing.token();
    expect(token).toContain('imports/');
    cloud.faults.add({ match: /GET \/images\/v2\/\d+\/tasks\//, kind: 'cut', times: 3 });
    gate.resolve();
    await cloud.advance(49 * 3_600_000);
    expect((await importing).status).toBe('READY');
  });

  it('is made by the next call when the program that uploads it is killed', async () => {
    const { cloud, transfer, request, objects, provider, labels, directory } = await world(
      20 << 20,
    );
    const options = { name: 'images', ...(await classicOptions('images')) };
    const reached = Promise.withResolvers<void>();
    cloud.faults.add({
      match: /PUT \/files\/.*00000002$/,
      kind: 'cut',
      times: 100,
      onHit: reached.resolve,
    });
    await killedProgram(
      'upload-program.ts',
      [join(directory, 'state'), JSON.stringify(options), request.name, request.from],
      reached.promise,
    );
    cloud.faults.clear();
    // It is found by its labels, and nothing else is.
    const [left, ...others] = await owned(provider, labels);
    expect(left).toMatch(/^imports\//);
    expect(others).toEqual([]);
    const sent = cloud.requests.length;
    const source = { kind: 'file', file: request.from } as const;
    const image = await provider.images.create({
      name: request.name,
      source,
      labels,
      idempotencyKey: request.name,
    });
    expect(image.status).toBe('READY');
    // What had arrived wasn't sent again.
    expect(cloud.requests.slice(sent).some((line) => /PUT .*00000001$/.test(line))).toBe(false);
    expect(await owned(provider, labels)).toEqual([image.ref.id]);
    expect(objects()).toEqual([]);
    const to = join(directory, 'copy.raw');
    await transfer.export({ image: image.ref.id, to, format: 'raw' });
    expect((await readFile(to)).equals(await readFile(request.from))).toBe(true);
  });

  it('is swept with all that the cloud still makes of it', async () => {
    const { cloud, transfer, request, objects, provider, labels } = await world();
    const gate = Promise.withResolvers<void>();
    cloud.tasks.gate = gate.promise;
    const stop = new AbortController();
    const importing = transfer.import(request, { signal: stop.signal });
    await importing.token();
    stop.abort();
    await expect(importing.then(String)).rejects.toMatchObject({
      code: 'PENDING',
      token: expect.stringContaining('imports/'),
    });
    const [left = ''] = await owned(provider, labels);
    const removal = provider.owned.delete('image', left);
    gate.resolve();
    await removal;
    expect(await owned(provider, labels)).toEqual([]);
    expect(objects()).toEqual([]);
    const named: string[] = [];
    for await (const { name } of provider.images.list()) named.push(name);
    expect(named.filter((name) => name.startsWith('imgkit-import-'))).toEqual([]);
  });
});

describe.skipIf(missing !== undefined)('an export whose process is killed', () => {
  it('leaves a container that is found by the image’s labels, unlike one that is in use', async () => {
    const { cloud, number, transfer, request, provider, labels, directory } = await world();
    const image = await transfer.import(request);
    const containers = () =>
      [...cloud.store.containers(number).keys()].filter((name) => name.includes('-export-'));
    const reached = Promise.withResolvers<void>();
    cloud.faults.add({ match: /POST .*\/tasks$/, kind: 'lost', onDone: reached.resolve });
    const wanted = { image: image.ref.id, to: join(directory, 'one.vhd'), format: 'vhd' } as const;
    const options = { name: 'images', ...(await classicOptions('images')) };
    const args = [join(directory, 'state'), JSON.stringify(options), 'transfer.export'];
    await killedProgram('killed-program.ts', [...args, JSON.stringify(wanted)], reached.promise);
    const [left] = containers();
    expect(await owned(provider, labels)).toEqual([image.ref.id, `exports/${left}`]);
    await provider.owned.delete('image', `exports/${left}`);
    await provider.owned.delete('image', `exports/${left}`);
    expect(containers()).toEqual([]);

    const gate = Promise.withResolvers<void>();
    cloud.tasks.gate = gate.promise;
    const exporting = transfer.export(wanted);
    await expect.poll(containers, { timeout: 30_000 }).toHaveLength(1);
    expect(await owned(provider, labels), 'somebody works on it').toEqual([image.ref.id]);
    gate.resolve();
    await exporting;
    expect(containers()).toEqual([]);
  });
});
