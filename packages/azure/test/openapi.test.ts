import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { isWireObject } from '../src/api/wire.ts';
import { isAzureImages } from '../src/index.ts';
import { gallery, group, otherSubscription, source, startAzure } from './emulated-azure.ts';

// Azure's published descriptions of its API, where they lie beside the repository.
const archive = join(
  import.meta.dirname,
  '../../../../shared/specs/azure/azure-openapi-compute-gallery.tar.gz',
);
const compute = 'specification/compute/resource-manager/Microsoft.Compute';
const galleries = `${compute}/GalleryRP/stable/2023-07-03/gallery.json`;

/** The definitions of the bodies that the adapter sends. */
const definitions: Readonly<Record<string, readonly [file: string, name: string]>> = {
  'GallerySharingProfile.Update': [galleries, 'SharingUpdate'],
  'GalleryImages.CreateOrUpdate': [galleries, 'GalleryImage'],
  'GalleryImages.Update': [galleries, 'GalleryImageUpdate'],
  'GalleryImageVersions.CreateOrUpdate': [galleries, 'GalleryImageVersion'],
  'GalleryImageVersions.Update': [galleries, 'GalleryImageVersionUpdate'],
  'Disks.CreateOrUpdate': [`${compute}/DiskRP/stable/2024-03-02/disk.json`, 'Disk'],
  'Snapshots.CreateOrUpdate': [`${compute}/DiskRP/stable/2024-03-02/snapshot.json`, 'Snapshot'],
};
/** What the SDK's versions of the API have, and the published ones have not yet. */
const newer = new Set(['blockDeletionBeforeEndOfLife', 'restore']);

type Schema = Readonly<Record<string, unknown>>;
const files = new Map<string, Schema>();

function read(path: string): Schema {
  const known = files.get(path);
  if (known !== undefined) return known;
  const { stdout } = spawnSync('tar', ['-xzOf', archive, path], {
    encoding: 'utf8',
    maxBuffer: 2 ** 26,
  });
  const content: Schema = JSON.parse(stdout);
  files.set(path, content);
  return content;
}

/** A schema without references and inheritance: its properties, with the file that each is in. */
function propertiesOf(file: string, schema: Schema): Map<string, readonly [string, Schema]> {
  const found = new Map<string, readonly [string, Schema]>();
  const visit = (at: string, part: Schema): void => {
    const [target, whole] = resolved(at, part);
    for (const each of Array.isArray(whole['allOf']) ? whole['allOf'] : []) visit(target, each);
    for (const [name, property] of Object.entries(
      isWireObject(whole['properties']) ? whole['properties'] : {},
    ))
      if (isWireObject(property)) found.set(name, [target, property]);
  };
  visit(file, schema);
  return found;
}

/** Follows references, to where a schema stands. */
function resolved(file: string, schema: Schema): readonly [string, Schema] {
  const { $ref } = schema;
  if (typeof $ref !== 'string') return [file, schema];
  const [path = '', name = ''] = $ref.split('#/definitions/');
  const target = path === '' ? file : join(file, '..', path);
  const all = read(target)['definitions'];
  const found = isWireObject(all) ? all[name] : undefined;
  if (!isWireObject(found)) throw new Error(`${target} has no ${name}`);
  return resolved(target, found);
}

/** What of a value the description doesn't know, or doesn't take. */
function* complaints(value: unknown, file: string, schema: Schema, path: string): Iterable<string> {
  const [at, whole] = resolved(file, schema);
  if (Array.isArray(value)) {
    if (isWireObject(whole['items']))
      for (const item of value) yield* complaints(item, at, whole['items'], path);
  } else if (isWireObject(value)) {
    if (whole['additionalProperties'] !== undefined) return;
    const known = propertiesOf(at, whole);
    for (const [name, each] of Object.entries(value)) {
      const property = known.get(name);
      if (property !== undefined) yield* complaints(each, ...property, `${path}.${name}`);
      else if (!newer.has(name)) yield `${path}.${name} is not known`;
    }
  } else {
    const words = whole['enum'];
    if (Array.isArray(words) && !words.includes(value)) yield `${path} can't be ${String(value)}`;
    if (whole['readOnly'] === true) yield `${path} is read only`;
  }
}

describe('what the adapter sends', () => {
  it('is what Azure’s published descriptions take', async ({ skip }) => {
    skip(!existsSync(archive), 'the published descriptions of Azure’s API are not here');
    await using cloud = await startAzure();
    const { emulator } = cloud;
    const { images, disks, snapshots, publishing, deprecation, sharing } = await cloud.provider({
      onObsolete: 'revoke-access',
    });
    const encryptionSet = `${group}/providers/Microsoft.Compute/diskEncryptionSets/keys`;
    const providerOptions = {
      targetRegions: [
        'eastus',
        {
          name: 'westus',
          replicaCount: 2,
          storageAccountType: 'Standard_ZRS',
          excludeFromLatest: true,
          diskEncryptionSetId: encryptionSet,
          dataDiskEncryption: [{ lun: 1, diskEncryptionSetId: encryptionSet }],
          confidentialVm: {
            encryptionType: 'EncryptedWithCmk',
            diskEncryptionSetId: encryptionSet,
          },
        },
      ],
    };
    const request = {
      name: 'web-1',
      family: 'web',
      version: '1',
      staged: true,
      source,
      providerOptions,
    };
    const { ref } = await images.create(request);
    await publishing?.publish(ref.id, { family: 'web' });
    await deprecation?.set(ref.id, {
      state: 'DEPRECATED',
      dates: { obsolete: '2031-01-01T00:00:00Z' },
    });
    const disk = await disks?.create({ name: 'data', source: { kind: 'image', image: ref } });
    await snapshots?.create({ name: 'backup', disk: disk?.id ?? '' });

    const plan = { name: 'pro', publisher: 'acme', product: 'linux' };
    const bought = { publisher: 'acme', offer: 'linux', sku: 'pro', version: '1.0.0' };
    emulator.addMarketplaceImage({ ...bought, plan });
    emulator.acceptTerms(plan);
    const image = { provider: 'azure', id: 'acme:linux:pro:latest' };
    await images.create({ name: 'pro-1', source: { kind: 'image', image } });
    const robot = { kind: 'service-account', id: '0b0b0b0b-1111-2222-3333-444444444444' } as const;
    await sharing?.grant(ref.id, [robot], { allowWider: true });
    await deprecation?.set(ref.id, { state: 'OBSOLETE' });
    if (!isAzureImages(images)) throw new Error('they are Azure’s');
    await images.replication.change(ref.id, { set: ['uksouth'], remove: ['westus'] });
    const softDeletePolicy = { isSoftDeleteEnabled: true };
    emulator.seed(gallery, {
      properties: { softDeletePolicy, sharingProfile: { permissions: 'Groups' } },
    });
    await images.delete(ref.id);
    await images.deleted.restore(ref.id);
    const direct = await cloud.provider({ shareBy: 'direct' });
    const them = { kind: 'project', id: otherSubscription } as const;
    await images.replication.change(ref.id, { remove: [] });
    await direct.sharing?.grant(ref.id, [them], { allowWider: true });

    const found = new Set<string>();
    const wrong: string[] = [];
    for (const { rpc = '', body } of cloud.emulator.requests) {
      const [file, name] = definitions[rpc] ?? [];
      if (file === undefined || name === undefined) continue;
      found.add(rpc);
      wrong.push(...complaints(body, file, { $ref: `#/definitions/${name}` }, rpc));
    }
    expect(wrong).toEqual([]);
    expect([...found].toSorted()).toEqual(Object.keys(definitions).toSorted());
    // It would notice.
    const schema = { $ref: '#/definitions/GalleryImageVersion' };
    const bad = { properties: { publishingProfile: { surprise: 1, replicationMode: 'Half' } } };
    expect([...complaints(bad, galleries, schema, 'body')]).toEqual([
      'body.properties.publishingProfile.surprise is not known',
      "body.properties.publishingProfile.replicationMode can't be Half",
    ]);
  });
});
