import { randomUUID } from 'node:crypto';
import { closeSync, openSync, writeSync } from 'node:fs';
import { rm, truncate, writeFile } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';

import { ApiError, badRequest } from '../gce/errors.ts';
import type { Bucket, ObjectStore, StoredObject } from './object-store.ts';
import type { JsonObject } from '../control-plane/json.ts';

/** What Cloud Storage keeps of a request that broke off: whole quanta. */
export const quantum = 256 * 1024;

/** What an upload is for, said at its start. */
export interface UploadTarget {
  readonly bucket: Bucket;
  readonly name: string;
  readonly contentType: string;
  readonly metadata: JsonObject | undefined;
  /** The whole size, when it was announced. */
  readonly announced: number | undefined;
}

/** A resumable upload between its requests. */
export interface Upload {
  readonly id: string;
  readonly target: UploadTarget;
  readonly file: string;
  /** How many bytes are kept, from the start. */
  kept: number;
  /** The object, when the upload is finished. */
  object: StoredObject | undefined;
}

/** The resumable uploads of an emulated Cloud Storage. */
export interface Uploads {
  start(target: UploadTarget): Promise<Upload>;
  find(id: string): Upload | undefined;
  cancel(upload: Upload): Promise<void>;
  /** Takes the bytes of one request; gives the object when they were the last. */
  take(upload: Upload, range: ContentRange, bytes: Readable): Promise<StoredObject | undefined>;
}

/** `bytes 0-524287/2000000`: the end is missing when the request goes on to the end, the total when it isn't known. */
export interface ContentRange {
  readonly start: number;
  readonly end: number | undefined;
  readonly total: number | undefined;
}

/** Reads a `Content-Range` of an upload; undefined when it asks how far the upload is. */
export function readContentRange(header: string | undefined): ContentRange | undefined {
  if (header === undefined) return { start: 0, end: undefined, total: undefined };
  if (/^bytes \*\/(\d+|\*)$/.test(header)) return undefined;
  const match = /^bytes (\d+)-(\d+|\*)\/(\d+|\*)$/.exec(header);
  const [, start = '', end = '', total = ''] = match ?? [];
  if (!match) throw badRequest(`Failed to parse Content-Range header: "${header}".`);
  return {
    start: Number(start),
    end: end === '*' ? undefined : Number(end),
    total: total === '*' ? undefined : Number(total),
  };
}

export function createUploads(store: ObjectStore, now: () => number): Uploads {
  const uploads = new Map<string, Upload>();

  const finish = async (upload: Upload): Promise<StoredObject> => {
    const { target, file, kept } = upload;
    upload.object = await store.put({ ...target, file, size: kept }, now());
    return upload.object;
  };
  return {
    async start(target) {
      const upload = {
        id: randomUUID(),
        target,
        file: await store.newFile(),
        kept: 0,
        object: undefined,
      };
      await writeFile(upload.file, '');
      uploads.set(upload.id, upload);
      return upload;
    },
    find: (id) => uploads.get(id),
    async cancel(upload) {
      uploads.delete(upload.id);
      await rm(upload.file, { force: true });
    },
    async take(upload, range, bytes) {
      const { start, end, total = upload.target.announced } = range;
      if (start > upload.kept) {
        throw badRequest(
          `Invalid request. According to the Content-Range header, the upload offset is ${start} byte(s), which exceeds already uploaded size of ${upload.kept} byte(s).`,
        );
      }
      const before = upload.kept;
      try {
        await write(upload, start, bytes);
      } catch (error) {
        // The caller has gone: what it sent is kept, but only whole quanta of it.
        upload.kept = Math.max(before, upload.kept - (upload.kept % quantum));
        await truncate(upload.file, upload.kept);
        throw error;
      }
      const last = end === undefined || end + 1 === total;
      if (total !== undefined && upload.kept > total) {
        throw badRequest(
          `Invalid request. ${upload.kept} bytes came, and ${total} were announced.`,
        );
      }
      if (last && (total === undefined || total === upload.kept)) return finish(upload);
      if (last) throw badRequest(`Invalid request. ${upload.kept} of ${total} bytes came.`);
      if ((upload.kept - before) % quantum !== 0) {
        throw new ApiError(
          400,
          'badRequest',
          `Invalid request.  The number of bytes uploaded is required to be equal or greater than ${quantum}, except for the final request (it's recommended to be the exact multiple of ${quantum}).  The received request contained ${upload.kept - before} bytes.`,
        );
      }
      return undefined;
    },
  };
}

/**
 * Writes what isn't there yet: a request may begin with bytes that an earlier one has brought. It writes at once what
 * comes, so that nothing is lost in a buffer when the connection breaks.
 */
async function write(upload: Upload, start: number, bytes: Readable): Promise<void> {
  const file = openSync(upload.file, 'r+');
  try {
    let at = start;
    bytes.on('data', (chunk: Uint8Array) => {
      const fresh = chunk.subarray(Math.max(0, upload.kept - at));
      at += chunk.length;
      if (fresh.length === 0) return;
      writeSync(file, fresh, 0, fresh.length, at - fresh.length);
      upload.kept = at;
    });
    await finished(bytes);
  } finally {
    closeSync(file);
  }
}
