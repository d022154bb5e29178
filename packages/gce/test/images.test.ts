import type { CreateImageRequest, Image } from '@imgkit/core';
import { afterAll, describe, expect, it } from 'vitest';

import { isGceImage } from '../src/mapping/image.ts';
import { emulatedCloud } from './emulated-cloud.ts';

const cloud = await emulatedCloud();
const { emulator, provider, consumer, base } = cloud;
const { publishing, deprecation, instances } = provider;
if (!publishing?.head || !deprecation || !instances) throw new Error('the provider lacks a part');
const head = publishing.head.bind(publishing);
afterAll(() => cloud[Symbol.asyncDispose]());

let count = 0;
function request(wishes: Partial<CreateImageRequest> = {}): CreateImageRequest {
  count += 1;
  return { name: `web-${count}`, source: { kind: 'image', image: base }, ...wishes };
}

/** The bodies of the requests of a method. */
function bodies(rpc: string): readonly unknown[] {
  return emulator.requests.filter((one) => one.rpc === rpc).map(({ body }) => body);
}

async function names(images: AsyncIterable<Image>): Promise<readonly string[]> {
  const found: string[] = [];
  for await (const { name } of images) found.push(name);
  return found;
}

describe('a new image', () => {
  it('has what only Google knows', async () => {
    const kmsKey = 'projects/acme/locations/us/keyRings/ring/cryptoKeys/key';
    const { native, architecture } = await provider.images.create(
      request({
        architecture: 'arm64',
        providerOptions: {
          storageLocations: ['europe-west1'],
          kmsKey,
          kmsKeyServiceAccount: 'keys@acme.iam.gserviceaccount.com',
          guestOsFeatures: ['UEFI_COMPATIBLE', 'GVNIC'],
          licenses: ['projects/debian-cloud/global/licenses/debian-12'],
        },
      }),
    );
    expect(architecture).toBe('arm64');
    if (!isGceImage(native)) throw new Error('it has no native form');
    expect(native).toMatchObject({
      storageLocations: ['europe-west1'],
      guestOsFeatures: [{ type: 'UEFI_COMPATIBLE' }, { type: 'GVNIC' }],
      licenses: [expect.stringMatching(/\/projects\/debian-cloud\/global\/licenses\/debian-12$/)],
    });
    expect(native.imageEncryptionKey?.kmsKeyName).toContain(kmsKey);
    expect(bodies('Images.Insert').at(-1)).toMatchObject({
      imageEncryptionKey: { kmsKeyServiceAccount: 'keys@acme.iam.gserviceaccount.com' },
    });
    expect(Object.keys(native).filter((key) => key.startsWith('_'))).toEqual([]);
  });

  it.for([
    [{ storageLocation: ['us'] }, /storageLocation/],
    [{ storageLocations: ['us', 'eu'] }, /storageLocations/],
    [{ kmsKey: 'key' }, /kmsKey/],
    [{ kmsKeyServiceAccount: 'me' }, /kmsKeyServiceAccount/],
    [{ guestOsFeatures: ['gvnic'] }, /guestOsFeatures/],
    [{ forceCreate: 'yes' }, /forceCreate/],
  ] as const)('isn’t made with providerOptions %j', async ([providerOptions, message]) => {
    const before = bodies('Images.Insert').length;
    await expect(provider.images.create(request({ providerOptions }))).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringMatching(message),
    });
    expect(bodies('Images.Insert')).toHaveLength(before);
  });

  it.for([
    { description: 'x'.repeat(2049) },
    { labels: { Upper: 'x' } },
    { labels: { 'imgkit-family': 'x' } },
    { family: 'Web' },
    { deprecation: { state: 'DEPRECATED', dates: { obsolete: 'soon' } } },
    {
      deprecation: { state: 'DEPRECATED', replacement: { provider: 'qemu', id: 'projects/x' } },
    },
  ] as const)('isn’t made with %j', async (wishes) => {
    const before = emulator.requests.length;
    await expect(provider.images.create(request(wishes))).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
    expect(emulator.requests, 'Google isn’t asked').toHaveLength(before);
  });

  it('is deprecated before it is published, so that it is never the head', async () => {
    const image = await provider.images.create(
      request({ family: 'old', staged: false, deprecation: { state: 'OBSOLETE' } }),
    );
    expect(image).toMatchObject({ published: true, deprecation: { state: 'OBSOLETE' } });
    const order = emulator.requests.slice(-12).map(({ rpc }) => rpc);
    expect(order.indexOf('Images.Deprecate')).toBeGreaterThan(-1);
    expect(order.indexOf('Images.Deprecate')).toBeLessThan(order.indexOf('Images.Patch'));
  });

  it('never has a family before it is READY', async () => {
    await provider.images.create(request({ family: 'late' }));
    for (const body of bodies('Images.Insert')) expect(body).not.toHaveProperty('family');
  });

  it('of an archive in Cloud Storage is made where it is', async () => {
    const refused = provider.images.create(
      request({ source: { kind: 'file', file: 'gs://imgkit-uploads/none.tar.gz' } }),
    );
    await expect(refused).rejects.toMatchObject({ provider: 'gce' });
    expect(bodies('Images.Insert').at(-1)).toMatchObject({
      rawDisk: {
        source: 'https://storage.googleapis.com/imgkit-uploads/none.tar.gz',
        containerType: 'TAR',
      },
    });
  });
});

describe('an image of an instance', () => {
  it('is made as it was said what shall happen to a running one', async () => {
    const { id } = await instances.launch({ name: 'vm', boot: { kind: 'image', image: base } });
    const of = (whenRunning?: 'refuse' | 'stop' | 'flush') =>
      provider.images.create(request({ source: { kind: 'instance', instance: id, whenRunning } }));

    await expect(of()).rejects.toMatchObject({ code: 'FAILED_PRECONDITION', resource: id });
    await of('flush');
    expect((await instances.get(id)).status).toBe('RUNNING');
    expect(emulator.requests.findLast(({ rpc }) => rpc === 'Images.Insert')?.query).toMatchObject({
      forceCreate: 'true',
    });
    const image = await of('stop');
    expect(image).toMatchObject({ status: 'READY', origin: { kind: 'disk' } });
    expect((await instances.get(id)).status).toBe('STOPPED');
    expect((await of()).status, 'a stopped one needs no word').toBe('READY');
    await instances.delete(id);
  });
});

/** Lets Google forget an operation, as it does after some two weeks. */
function forget(): void {
  const rpc = 'GlobalOperations.Wait';
  emulator.faults.add({ rpc, kind: 'status', status: 404, reason: 'notFound' });
}

describe('a token', () => {
  it('whose operation Google has forgotten gives what stands', async () => {
    const making = provider.images.create(request({ family: 'tokens' }));
    const { ref } = await making;
    forget();
    expect(await cloud.other.resume(await making.token())).toMatchObject({ ref, published: true });
  });

  it('of a forgotten deletion tells whether the image is gone', async () => {
    const wanted = request();
    const { ref } = await provider.images.create(wanted);
    const deleting = provider.images.delete(ref.id);
    await deleting;
    const token = await deleting.token();
    forget();
    expect(await cloud.other.resume(token)).toBeUndefined();
    await provider.images.create(wanted);
    forget();
    await expect(cloud.other.resume(token)).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      resource: ref.id,
    });
  });
});

describe('images of others', () => {
  it('are listed by their project, with heads of their families', async () => {
    const { project } = await provider.images.get(base.id);
    expect(project).toBe('debian-cloud');
    expect(await names(provider.images.list({ project }))).toEqual(['debian-12']);
    expect((await head('debian-12', { project }))?.ref.id).toBe(base.id);
    expect(await names(provider.images.list({ name: 'debian-12' }))).toEqual([]);
  });

  it('are there under each form of their address', async () => {
    for (const prefix of [
      'https://www.googleapis.com/compute/v1/',
      `${emulator.endpoint}/compute/v1/`,
    ])
      expect((await provider.images.get(prefix + base.id)).ref.id).toBe(base.id);
  });

  it('that aren’t shared can’t be seen', async () => {
    const { ref } = await provider.images.create(request());
    await expect(consumer.images.get(ref.id)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(consumer.images.delete(ref.id)).rejects.toMatchObject({
      code: 'PERMISSION_DENIED',
    });
  });
});

describe('the head of a family', () => {
  it('is another one in a zone where the newest isn’t rolled out', async () => {
    const family = 'zonal';
    const first = await provider.images.create(request({ family }));
    const second = await provider.images.create(request({ family }));
    emulator.project(provider.project).rollOut(second.name, ['us-east1-b']);
    expect((await head(family))?.name).toBe(second.name);
    expect((await head(family, { zone: 'us-east1-b' }))?.name).toBe(second.name);
    expect((await head(family, { zone: 'us-central1-a' }))?.name).toBe(first.name);
  });

  it('is there all the time while another one is published', async () => {
    const family = 'steady';
    await provider.images.create(request({ family }));
    const { ref } = await provider.images.create(request({ family, staged: true }));
    const start = emulator.requests.length;
    await publishing.publish(ref.id, { family, version: '2026.11.21' });
    const changes = emulator.requests
      .slice(start)
      .map(({ rpc }) => rpc)
      .filter((rpc) => rpc === 'Images.SetLabels' || rpc === 'Images.Patch');
    expect(changes, 'the labels are there when Google makes it the head').toEqual([
      'Images.SetLabels',
      'Images.Patch',
    ]);
    expect(await head(family)).toMatchObject({ version: '2026.11.21', ref: { id: ref.id } });
    const again = emulator.requests.length;
    await publishing.publish(ref.id, { family, version: '2026.11.21' });
    expect(
      emulator.requests.slice(again).every(({ method }) => method === 'GET'),
      'publishing again changes nothing',
    ).toBe(true);
  });

  it('that others published can be withdrawn, and keeps its family', async () => {
    emulator.project(provider.project).addImage({ name: 'foreign', family: 'theirs' });
    const id = `projects/${provider.project}/global/images/foreign`;
    expect(await publishing.withdraw(id)).toMatchObject({ published: false, family: 'theirs' });
    expect(await head('theirs')).toBeUndefined();
    expect(await names(provider.images.list({ family: 'theirs' }))).toEqual(['foreign']);
  });
});

describe('a deprecation', () => {
  it('is sent as a whole block, and not at all when it is there already', async () => {
    const [{ ref }, next] = [
      await provider.images.create(request()),
      await provider.images.create(request()),
    ];
    const dates = { obsolete: '2031-01-01T00:00:00Z', deleted: '2032-01-01T00:00:00Z' };
    const set = { state: 'DEPRECATED', replacement: next.ref, dates } as const;
    const image = await deprecation.set(ref.id, set);
    expect(image.deprecation).toEqual(set);
    expect(bodies('Images.Deprecate').at(-1)).toEqual({
      state: 'DEPRECATED',
      replacement: `https://www.googleapis.com/compute/v1/${next.ref.id}`,
      ...dates,
    });
    const before = bodies('Images.Deprecate').length;
    await deprecation.set(ref.id, set);
    expect(bodies('Images.Deprecate')).toHaveLength(before);
  });

  it('leaves nothing behind when it is taken back, save its plans', async () => {
    const { ref, native: fresh } = await provider.images.create(request());
    expect(fresh).not.toHaveProperty('deprecated');
    await deprecation.set(ref.id, { state: 'DEPRECATED' });
    const { native, deprecation: after } = await deprecation.set(ref.id, { state: 'ACTIVE' });
    expect(after).toEqual({ state: 'ACTIVE' });
    expect(native).not.toHaveProperty('deprecated');
    const planned = { state: 'ACTIVE', dates: { deleted: '2032-01-01T00:00:00Z' } } as const;
    expect((await deprecation.set(ref.id, planned)).deprecation).toEqual(planned);
  });
});

describe('labels', () => {
  it('that somebody changes at the same time are both kept', async () => {
    const { ref } = await provider.images.create(request());
    const images = await Promise.all(
      ['a', 'b', 'c'].map((key) => provider.images.update(ref.id, { labels: { [key]: '1' } })),
    );
    expect(images).toHaveLength(3);
    expect((await provider.images.get(ref.id)).labels).toEqual({ a: '1', b: '1', c: '1' });
  });

  it('may hold what Google’s own can’t', async () => {
    const labels = { digest: '0123456789abcdef'.repeat(4), version: '2026.11.21', who: 'Ann B.' };
    const { ref } = await provider.images.create(request({ labels }));
    expect((await provider.images.get(ref.id)).labels).toEqual(labels);
    expect(await names(provider.images.list({ labels }))).toHaveLength(1);
    expect(await names(provider.images.list({ labels: { who: 'ann b.' } }))).toEqual([]);
  });
});

it('sends nothing that Google would not understand', () => {
  expect(emulator.violations).toEqual([]);
});
