import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Image } from '../../../spec/image.ts';
import type {
  DiskFormat,
  ImportImageRequest,
  TransferTraits,
} from '../../../spec/capabilities/transfer.ts';
import { assertRefused } from '../assertions.ts';
import type { ConformanceTopic } from '../topic.ts';
import type { Trial } from '../trial.ts';
import type { ProviderWorld } from '../world.ts';
import { checkIdempotency } from './idempotency.ts';

/** A disk of 3 MiB with data at both ends and in between, and holes. */
function diskBytes(): Buffer {
  const bytes = Buffer.alloc(3 << 20);
  for (const offset of [0, 1 << 20, (3 << 20) - 4096]) {
    for (let index = 0; index < 4096; index += 1) bytes[offset + index] = (index * 31 + 7) & 0xff;
  }
  return bytes;
}

/** The size of the disk of a file of so many bytes. */
function diskSize(bytes: number, { diskSizeMultiple = 1 }: TransferTraits): number {
  return Math.ceil(bytes / diskSizeMultiple) * diskSizeMultiple;
}

function sha256(bytes: Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

async function importImage(
  trial: Trial,
  wishes: Pick<ImportImageRequest, 'from' | 'format' | 'digest'>,
): Promise<Image> {
  const { labels } = trial;
  const transfer = trial.capability('transfer');
  const image = await transfer.import({ name: trial.name(), labels, ...wishes });
  trial.track('image', image.ref.id);
  return image;
}

function unlessRaw({ provider }: ProviderWorld): string | undefined {
  return provider.transfer?.traits.importFormats.includes('raw') === true
    ? undefined
    : 'raw disk files aren’t taken';
}

export const transfer: ConformanceTopic = {
  name: 'transfer',
  cases: [
    {
      title: 'brings back the same bytes through every format',
      needs: ['transfer'],
      unless: unlessRaw,
      async run(trial) {
        const { traits } = trial.capability('transfer');
        const directory = await trial.directory();
        const bytes = diskBytes();
        const from = join(directory, 'in.raw');
        await writeFile(from, bytes);
        const image = await importImage(trial, { from, format: 'raw', digest: sha256(bytes) });
        assert.equal(image.status, 'READY');
        assert.equal(image.diskSizeBytes, diskSize(bytes.length, traits));
        for (const format of traits.exportFormats) {
          const to = join(directory, `out-${format}`);
          const file = await exportImage(trial, image, to, format);
          if (format === 'raw') {
            const raw = await readFile(to);
            assert.equal(raw.length, diskSize(bytes.length, traits));
            assert.ok(raw.subarray(0, bytes.length).equals(bytes), 'the raw bytes');
          }
          if (!traits.importFormats.includes(format)) continue;
          const back = await importImage(trial, { from: file, format });
          if (!traits.exportFormats.includes('raw')) continue;
          const copy = join(directory, `back-${format}`);
          await exportImage(trial, back, copy, 'raw');
          const after = await readFile(copy);
          // Some formats round a disk up to whole cylinders.
          assert.ok(after.subarray(0, bytes.length).equals(bytes), `the bytes through ${format}`);
          assert.ok(
            after.subarray(bytes.length).every((byte) => byte === 0),
            'zeros behind',
          );
        }
      },
    },
    {
      title: 'takes a disk as it comes, and finds out its format',
      needs: ['transfer'],
      unless: unlessRaw,
      async run(trial) {
        const bytes = diskBytes();
        async function* chunks(): AsyncGenerator<Uint8Array> {
          for (let at = 0; at < bytes.length; at += 100_000) {
            yield bytes.subarray(at, at + 100_000);
            await Promise.resolve();
          }
        }
        const image = await importImage(trial, { from: chunks() });
        const { traits } = trial.capability('transfer');
        assert.equal(image.diskSizeBytes, diskSize(bytes.length, traits));
      },
    },
    {
      title: 'makes one image for one key, and stages it',
      needs: ['transfer'],
      unless: unlessRaw,
      async run(trial) {
        const { labels, provider } = trial;
        const from = join(await trial.directory(), 'in.raw');
        await writeFile(from, diskBytes());
        const family = trial.name();
        const request = {
          from,
          labels,
          family,
          staged: true,
          version: '1',
          format: 'raw',
        } as const;
        const id = await checkIdempotency(trial, {
          kind: 'image',
          make: async (name, idempotencyKey) => {
            const control = trial.capability('transfer');
            return (await control.import({ ...request, name, idempotencyKey })).ref;
          },
        });
        const image = await provider.images.get(id);
        assert.equal(image.family, family);
        assert.equal(image.version, '1');
        assert.equal(image.published, false, 'it is staged');
      },
    },
    {
      title: 'refuses what isn’t there, isn’t what it is said to be, or has another digest',
      needs: ['transfer'],
      unless: unlessRaw,
      async run(trial) {
        const { provider } = trial;
        const directory = await trial.directory();
        const from = join(directory, 'in.raw');
        const missing = importImage(trial, { from, format: 'raw' });
        await assertRefused(provider, missing, 'NOT_FOUND');
        await writeFile(from, diskBytes());
        const digest = `sha256:${'0'.repeat(64)}`;
        const changed = importImage(trial, { from, format: 'raw', digest });
        await assertRefused(provider, changed, 'INVALID_ARGUMENT');
        const { importFormats } = trial.capability('transfer').traits;
        for (const format of importFormats) {
          if (format === 'raw') continue;
          await assertRefused(provider, importImage(trial, { from, format }), 'INVALID_ARGUMENT');
        }
        await trial.assertNothingLeft('a refused import');
      },
    },
    {
      title: 'writes a file whole, over no other, or not at all',
      needs: ['transfer'],
      async run(trial) {
        const { provider } = trial;
        const control = trial.capability('transfer');
        const [format] = control.traits.exportFormats;
        if (format === undefined) return;
        const directory = await trial.directory();
        const image = await trial.image();
        const to = join(directory, 'taken');
        await writeFile(to, 'mine');
        const over = control.export({ image: image.ref.id, to, format });
        await assertRefused(provider, over, 'ALREADY_EXISTS');
        assert.equal(await readFile(to, 'utf8'), 'mine');
        const gone = (await trial.goneImage()).id;
        const free = join(directory, 'free');
        await assertRefused(
          provider,
          control.export({ image: gone, to: free, format }),
          'NOT_FOUND',
        );
        const stop = new AbortController();
        const options = { signal: stop.signal };
        const cut = control.export({ image: image.ref.id, to: free, format }, options);
        stop.abort();
        const cancelled = await cut.then(
          () => false,
          () => true,
        );
        const left = cancelled ? ['taken'] : ['free', 'taken'];
        assert.deepEqual((await readdir(directory)).toSorted(), left, 'nothing half written');
        const others = (['raw', 'qcow2', 'vhd', 'vmdk', 'gce-tar', 'azure-vhd'] as const).filter(
          (one) => !control.traits.exportFormats.includes(one),
        );
        for (const other of others) {
          const unknown = control.export({ image: image.ref.id, to: free, format: other });
          await assertRefused(provider, unknown, 'UNSUPPORTED');
        }
      },
    },
    {
      title: 'leaves nothing behind when an import is cancelled',
      needs: ['transfer'],
      unless: unlessRaw,
      async run(trial) {
        const stop = new AbortController();
        const closed = Promise.withResolvers<void>();
        async function* endless(): AsyncGenerator<Uint8Array> {
          try {
            for (let chunk = 0; ; chunk += 1) {
              yield new Uint8Array(65_536).fill(1);
              await Promise.resolve();
              if (chunk === 3) stop.abort();
            }
          } finally {
            closed.resolve();
          }
        }
        const request = { name: trial.name(), labels: trial.labels, from: endless() };
        const options = { signal: stop.signal };
        const cut = trial.capability('transfer').import({ ...request, format: 'raw' }, options);
        await assertRefused(trial.provider, cut, 'CANCELLED');
        await closed.promise;
        await trial.assertNothingLeft('a cancelled import');
      },
    },
  ],
};

/** Writes an image to a file, and checks what is said of it. */
async function exportImage(
  trial: Trial,
  { ref }: Image,
  to: string,
  format: DiskFormat,
): Promise<string> {
  const exported = await trial.capability('transfer').export({ image: ref.id, to, format });
  assert.equal(exported.path, to);
  assert.equal(exported.format, format);
  assert.equal(exported.sizeBytes, (await stat(to)).size);
  assert.equal(exported.digest, sha256(await readFile(to)));
  return to;
}
