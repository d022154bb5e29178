import { ImgkitError, type OperationControl } from '@imgkit/core';

import type { GlanceImage } from '../glance/glance-image.ts';
import type { CloudContext } from './context.ts';
import { Digests } from './digests.ts';
import type { DiskSource } from './disk-source.ts';
import { knownDigest } from './known-digest.ts';
import { transferProgress } from './transfer-progress.ts';

/** What was sent. */
export interface Sent {
  readonly sizeBytes: number;
  /** Digests in hexadecimal, by the names that Glance gives the algorithms. */
  readonly digests: Readonly<Record<string, string>>;
}

/** How an upload is made. */
export interface UploadOptions extends Pick<OperationControl, 'signal' | 'progress'> {
  /** What the bytes must digest to, as `sha256:<hex>`. */
  readonly digest?: string | undefined;
  /** Whether it only goes where an import takes it from. */
  readonly staged?: boolean | undefined;
  /** The store that it goes to; the cloud's choice otherwise. */
  readonly store?: string | undefined;
  /** Is told what is sent as soon as that is known, before the cloud says that it has it. */
  readonly onSent?: ((sent: Sent) => void) | undefined;
}

/**
 * Sends the bytes of a disk to an image that has none. The bytes are digested as they pass; nothing is
 * kept of them.
 *
 * @throws What reading them threw, rather than what that made of the upload.
 */
export async function upload(
  context: CloudContext,
  id: string,
  source: DiskSource,
  { signal, progress, digest, onSent, staged, store }: UploadOptions,
): Promise<Sent> {
  // Older clouds only tell MD5. The other is what an image is known by outside of the cloud.
  const algorithm = (await context.glance.canHide({ signal })) ? 'sha512' : 'md5';
  const names = [algorithm, 'sha256'];
  let sent: Sent = { sizeBytes: 0, digests: {} };
  let failure: unknown;
  async function* digested(): AsyncGenerator<Uint8Array, void, undefined> {
    const digests = new Digests(names);
    const tell = transferProgress(progress, 'uploading the disk', source.sizeBytes);
    let sizeBytes = 0;
    const end = async (): Promise<void> => {
      sent = { sizeBytes, digests: digests.end() };
      if (digest !== undefined) checkDigest(`sha256:${sent.digests['sha256']}`, digest);
      onSent?.(sent);
    };
    try {
      for await (const chunk of await source.open({ signal })) {
        signal.throwIfAborted();
        digests.update(chunk);
        sizeBytes += chunk.length;
        // Before the cloud has all of it.
        if (sizeBytes === source.sizeBytes) await end();
        yield chunk;
        tell(sizeBytes);
      }
      if (sizeBytes !== source.sizeBytes) await end();
    } catch (error) {
      failure = error;
      throw error;
    }
  }
  const { sizeBytes, isRepeatable } = source;
  try {
    const stream = { sizeBytes, isRepeatable, open: digested };
    await context.glance.upload(id, stream, { signal, staged, store });
  } catch (error) {
    throw failure ?? error;
  }
  return sent;
}

/** @throws {@link ImgkitError} with `INVALID_ARGUMENT` for another digest than was said. */
export function checkDigest(found: string, expected: string): void {
  if (found === expected) return;
  throw new ImgkitError('INVALID_ARGUMENT', `the disk has the digest ${found}, not ${expected}`, {
    hint: 'It was changed or cut off on the way: fetch it again.',
  });
}

/**
 * Compares what the cloud says it has with what was sent.
 *
 * @throws {@link ImgkitError} with `OPERATION_FAILED`.
 */
export function checkArrival(image: GlanceImage, sent: Sent): void {
  const { os_hash_algo: algorithm, os_hash_value: value, checksum, size } = image;
  const pairs = [
    [algorithm ?? '', value],
    ['md5', checksum],
    ['sha256', knownDigest(image)],
  ] as const;
  for (const [name, digest] of pairs) {
    const ours = sent.digests[name];
    if (ours !== undefined && digest && ours !== digest)
      throw damaged(image, `its ${name} is ${digest}, what was transferred has ${ours}`);
  }
  if (size !== sent.sizeBytes)
    throw damaged(image, `the cloud has ${size} bytes, sent were ${sent.sizeBytes}`);
}

function damaged({ id }: GlanceImage, why: string): ImgkitError {
  return new ImgkitError(
    'OPERATION_FAILED',
    `the data of image "${id}" was damaged on the way: ${why}`,
    {
      resource: id,
      hint: 'Transfer it again.',
    },
  );
}
