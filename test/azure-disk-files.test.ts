import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { azure } from '@imgkit/azure';
import { createImgkit, ImgkitError } from '@imgkit/core';
import { startAzureEmulator } from '@imgkit/emulators';
import { qemu } from '@imgkit/qemu';
import { expect, it, onTestFinished } from 'vitest';

import { startAzurite } from '../packages/azure/test/azurite.ts';
import { azurePlace } from './support/azure-place.ts';

it('a disk file that is uploaded to the emulated Azure is what its real machines start from', async ({
  skip,
}) => {
  const home = await mkdtemp(join(tmpdir(), 'imgkit-azure-files-'));
  onTestFinished(() => rm(home, { recursive: true, force: true }));
  const bytes = Buffer.alloc(3 * 2 ** 20, 'disk');
  const file = join(home, 'disk.raw');
  await writeFile(file, bytes);
  await using local = await createImgkit({
    stateDirectory: join(home, 'local'),
    providers: [qemu({ directory: join(home, 'store') })],
  });
  const machines = local.providers.get('qemu');
  await using azurite = await startAzurite('vhds');
  const started = await startAzureEmulator({ machines, blobs: azurite }).catch((error: unknown) => {
    if (ImgkitError.is(error, 'FAILED_PRECONDITION')) return error;
    throw error;
  });
  if (started instanceof Error) return skip(started.message);
  await using emulator = started;
  const { subscription, resourceGroup, gallery, location } = azurePlace;
  const group = `/subscriptions/${subscription}/resourceGroups/${resourceGroup}`;
  emulator.seed(group, { location });
  emulator.seed(`${group}/providers/Microsoft.Compute/galleries/${gallery}`, { location });

  await using kit = await createImgkit({
    stateDirectory: join(home, 'kit'),
    providers: [
      azure({
        ...azurePlace,
        endpoint: emulator.endpoint,
        storage: {
          account: azurite.endpoint,
          container: 'vhds',
          credentials: { kind: 'key', key: azurite.key },
        },
      }),
    ],
  });
  const { images } = kit.providers.get('azure');
  const image = await images.create({ name: 'web-1', source: { kind: 'file', file } });
  expect(image.status).toBe('READY');
  const real = [];
  for await (const one of machines.images.list()) real.push(one.ref.id);
  expect(real).toHaveLength(1);
  const to = join(home, 'out.raw');
  await machines.transfer?.export({ image: real[0] ?? '', to, format: 'raw' });
  expect((await readFile(to)).equals(bytes)).toBe(true);
}, 120_000);
