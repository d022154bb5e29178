import type { JsonObject } from '../control-plane/json.ts';
import type { Bucket, StoredObject } from './object-store.ts';

const base = 'https://www.googleapis.com/storage/v1/b';

/** A bucket as Cloud Storage answers it. */
export function showBucket(bucket: Bucket): JsonObject {
  const time = new Date(bucket.createdAt).toISOString();
  return {
    kind: 'storage#bucket',
    id: bucket.name,
    selfLink: `${base}/${bucket.name}`,
    projectNumber: bucket.project.number,
    name: bucket.name,
    timeCreated: time,
    updated: time,
    metageneration: '1',
    location: bucket.location,
    locationType: /^(US|EU|ASIA)$/.test(bucket.location) ? 'multi-region' : 'region',
    storageClass: 'STANDARD',
    etag: 'CAE=',
    iamConfiguration: { uniformBucketLevelAccess: { enabled: true } },
  };
}

/** An object as Cloud Storage answers it. */
export function showObject(object: StoredObject): JsonObject {
  const { bucket, name, generation, checksums } = object;
  const time = new Date(object.createdAt).toISOString();
  const path = `${bucket.name}/o/${encodeURIComponent(name)}`;
  return {
    kind: 'storage#object',
    id: `${bucket.name}/${name}/${generation}`,
    selfLink: `${base}/${path}`,
    mediaLink: `https://storage.googleapis.com/download/storage/v1/b/${path}?generation=${generation}&alt=media`,
    name,
    bucket: bucket.name,
    generation: String(generation),
    metageneration: '1',
    contentType: object.contentType,
    storageClass: 'STANDARD',
    size: String(object.size),
    ...checksums,
    etag: Buffer.from(String(generation)).toString('base64'),
    timeCreated: time,
    updated: time,
    timeStorageClassUpdated: time,
    metadata: object.metadata,
  };
}
