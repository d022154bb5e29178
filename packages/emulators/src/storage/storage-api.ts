import { createReadStream } from 'node:fs';

import type { Answer, Api, ApiRequest, RecognisedCall } from '../control-plane/http-server.ts';
import { isJsonObject, objectOf, textOf, type JsonObject } from '../control-plane/json.ts';
import type { Violation } from '../control-plane/request-log.ts';
import { callerOf } from '../gce/bearer-tokens.ts';
import { answered, crashed, ordered } from '../gce/compute-api.ts';
import { ApiError, notEmulated, notFound } from '../gce/errors.ts';
import { createAccess, type Access } from '../gce/access.ts';
import type { World } from '../gce/state.ts';
import type { Bucket, StoredObject } from './object-store.ts';
import { showBucket, showObject } from './resources.ts';
import { createUploads, readContentRange, type Uploads } from './uploads.ts';

/** A request with what its path says. */
interface StorageCall {
  readonly world: World;
  readonly uploads: Uploads;
  readonly request: ApiRequest;
  readonly query: URLSearchParams;
  readonly bucket: string;
  readonly object: string;
  readonly access: Access;
}

type StorageHandler = (call: StorageCall) => Answer | Promise<Answer>;

interface StorageRoute {
  readonly rpc: string;
  readonly method: string;
  readonly path: RegExp;
  readonly handler: StorageHandler;
}

const bucketPath = '/storage/v1/b/([^/]+)';
const objectPath = `${bucketPath}/o/([^/]+)`;

const routes: readonly StorageRoute[] = [
  route('Buckets.Insert', 'POST', '/storage/v1/b', insertBucket),
  route('Buckets.Get', 'GET', bucketPath, (call) => ok(showBucket(bucketOf(call)))),
  route('Objects.List', 'GET', `${bucketPath}/o`, listObjects),
  route('Objects.Get', 'GET', objectPath, getObject),
  route('Objects.Get', 'GET', `/download${objectPath}`, getObject),
  route('Objects.Delete', 'DELETE', objectPath, deleteObject),
  route('Objects.Insert', 'POST', `/upload${bucketPath}/o`, startUpload),
  route('Objects.Upload', 'PUT', `/upload${bucketPath}/o`, continueUpload),
  route('Objects.CancelUpload', 'DELETE', `/upload${bucketPath}/o`, cancelUpload),
];

function route(rpc: string, method: string, path: string, handler: StorageHandler): StorageRoute {
  return { rpc, method, path: new RegExp(`^${path}$`), handler };
}

/** Whether a path is Cloud Storage's. */
export function isStoragePath(path: string): boolean {
  return /^\/(upload\/|download\/)?storage\/v1\//.test(path);
}

/** The part of Cloud Storage's JSON API that images need: buckets, objects, uploads. */
export function createStorageApi(world: World, violations: Violation[]): Api {
  const uploads = createUploads(world.objects, () => world.clock.now());
  return {
    recognise(request): RecognisedCall {
      const path = request.url.pathname;
      const found = routes.find((each) => each.method === request.method && each.path.test(path));
      return {
        rpc: found?.rpc,
        run: () =>
          answered(async () => {
            const caller = callerOf(request.headers.authorization);
            request.log.member = caller;
            if (!found) {
              const what = `${request.method} ${path} of Cloud Storage`;
              violations.push({ request: request.log, message: `${what} is not emulated.` });
              throw notEmulated(what);
            }
            const [, bucket = '', object = ''] = found.path.exec(path) ?? [];
            return found.handler({
              world,
              uploads,
              request,
              query: request.url.searchParams,
              bucket: decodeURIComponent(bucket),
              object: decodeURIComponent(object),
              access: createAccess(world, caller),
            });
          }),
      };
    },
    faultAnswer: ordered,
    crashAnswer: crashed,
  };
}

function ok(body: JsonObject): Answer {
  return { status: 200, body };
}

function bucketOf(call: StorageCall, permission = 'storage.buckets.get'): Bucket {
  const bucket = call.world.objects.buckets.get(call.bucket);
  if (!bucket) throw new ApiError(404, 'notFound', 'The specified bucket does not exist.');
  call.access.permit(permission, bucket.project);
  return bucket;
}

function objectOfCall(call: StorageCall, permission: string): StoredObject {
  bucketOf(call, permission);
  const object = call.world.objects.find(call.bucket, call.object);
  if (!object) {
    throw new ApiError(404, 'notFound', `No such object: ${call.bucket}/${call.object}`);
  }
  return object;
}

async function insertBucket({ world, request, query, access }: StorageCall): Promise<Answer> {
  const body: unknown = JSON.parse(await request.text());
  const name = isJsonObject(body) ? textOf(body, 'name') : undefined;
  const project = world.projects.get(query.get('project') ?? '');
  if (!project) throw notFound(`projects/${query.get('project') ?? ''}`);
  access.permit('storage.buckets.create', project);
  if (!name || !/^[a-z0-9][-_.a-z0-9]{1,61}[a-z0-9]$/.test(name)) {
    throw new ApiError(400, 'invalid', `Invalid bucket name: '${name ?? ''}'`);
  }
  if (world.objects.buckets.has(name)) {
    throw new ApiError(
      409,
      'conflict',
      'The requested bucket name is not available. The bucket namespace is shared by all users of the system.',
    );
  }
  const location = (isJsonObject(body) ? textOf(body, 'location') : undefined) ?? 'US';
  const bucket = {
    name,
    project,
    location: location.toUpperCase(),
    createdAt: world.clock.now(),
  };
  world.objects.buckets.set(name, bucket);
  return ok(showBucket(bucket));
}

function listObjects(call: StorageCall): Answer {
  bucketOf(call, 'storage.objects.list');
  const prefix = call.query.get('prefix') ?? '';
  const from = Number(call.query.get('pageToken') ?? 0);
  const size = Number(call.query.get('maxResults') ?? 1000);
  const all = call.world.objects.list(call.bucket).filter(({ name }) => name.startsWith(prefix));
  return ok({
    kind: 'storage#objects',
    items: all.slice(from, from + size).map(showObject),
    nextPageToken: all.length > from + size ? String(from + size) : undefined,
  });
}

function getObject(call: StorageCall): Answer {
  const object = objectOfCall(call, 'storage.objects.get');
  if (call.query.get('alt') !== 'media') return ok(showObject(object));
  const { md5Hash, crc32c } = object.checksums;
  const asked = /^bytes=(\d+)-(\d*)$/.exec(call.request.headers.range ?? '');
  const start = Number(asked?.[1] ?? 0);
  const end = Math.min(asked?.[2] ? Number(asked[2]) : Infinity, object.size - 1);
  if (asked && start >= object.size) {
    throw new ApiError(416, 'requestedRangeNotSatisfiable', 'Request range not satisfiable');
  }
  return {
    status: asked ? 206 : 200,
    headers: {
      'content-type': object.contentType,
      'content-length': String(Math.max(0, end - start + 1)),
      'x-goog-hash': `crc32c=${crc32c},md5=${md5Hash}`,
      'x-goog-generation': String(object.generation),
      ...(asked ? { 'content-range': `bytes ${start}-${end}/${object.size}` } : {}),
    },
    stream: createReadStream(object.path, object.size === 0 ? {} : { start, end }),
  };
}

async function deleteObject(call: StorageCall): Promise<Answer> {
  await call.world.objects.remove(objectOfCall(call, 'storage.objects.delete'));
  return { status: 204 };
}

/** Starts a resumable upload, or takes a simple one whole. */
async function startUpload(call: StorageCall): Promise<Answer> {
  const { request, query, uploads, world } = call;
  const bucket = bucketOf(call, 'storage.objects.create');
  const kind = query.get('uploadType');
  if (kind !== 'resumable' && kind !== 'media') {
    throw notEmulated(`An upload of the type "${kind ?? ''}"`);
  }
  const text = kind === 'resumable' ? await request.text() : '';
  const body: unknown = text === '' ? {} : JSON.parse(text);
  const said = isJsonObject(body) ? body : {};
  const name = query.get('name') ?? textOf(said, 'name');
  if (!name) throw new ApiError(400, 'required', 'Required parameter: name');
  const wanted = query.get('ifGenerationMatch');
  const present = world.objects.find(bucket.name, name)?.generation ?? 0;
  if (wanted !== null && Number(wanted) !== present) {
    throw new ApiError(
      412,
      'conditionNotMet',
      'At least one of the pre-conditions you specified did not hold.',
    );
  }
  const announced = request.headers['x-upload-content-length'];
  const type = request.headers[kind === 'media' ? 'content-type' : 'x-upload-content-type'];
  const upload = await uploads.start({
    bucket,
    name,
    contentType: typeof type === 'string' ? type : 'application/octet-stream',
    metadata: objectOf(said, 'metadata'),
    announced: typeof announced === 'string' ? Number(announced) : undefined,
  });
  if (kind === 'media') {
    const whole = { start: 0, end: undefined, total: undefined };
    const object = await uploads.take(upload, whole, request.stream);
    return object ? ok(showObject(object)) : { status: 500 };
  }
  const location = new URL(request.url);
  location.host = request.headers.host ?? location.host;
  location.search = String(
    new URLSearchParams({ uploadType: 'resumable', name, upload_id: upload.id }),
  );
  return {
    status: 200,
    headers: { location: location.href, 'x-guploader-uploadid': upload.id },
  };
}

function uploadOf({ query, uploads }: StorageCall) {
  const upload = uploads.find(query.get('upload_id') ?? '');
  if (!upload) throw new ApiError(404, 'notFound', 'The upload was not found, or has expired.');
  return upload;
}

/** Takes a part of a resumable upload, or tells how far it is. */
async function continueUpload(call: StorageCall): Promise<Answer> {
  const upload = uploadOf(call);
  const { request } = call;
  const range = readContentRange(request.headers['content-range']);
  if (upload.object) return ok(showObject(upload.object));
  const object = range && (await call.uploads.take(upload, range, request.stream));
  if (object) return ok(showObject(object));
  return {
    status: 308,
    headers: upload.kept > 0 ? { range: `bytes=0-${upload.kept - 1}` } : {},
  };
}

async function cancelUpload(call: StorageCall): Promise<Answer> {
  await call.uploads.cancel(uploadOf(call));
  return { status: 499 };
}
