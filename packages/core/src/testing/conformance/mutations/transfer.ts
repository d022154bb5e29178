import { rm, truncate, writeFile } from 'node:fs/promises';
import { ImgkitError } from '../../../spec/errors.ts';
import { broken, doing, ending } from './mutation.ts';

/** Broken rules of transfer. */
export const transferMutations = [
  broken(
    'transfer',
    'cuts the end of an export off',
    'brings back the same bytes',
    ({ transfer }) => ({
      transfer: {
        ...transfer,
        export: (request, options) =>
          ending(transfer.export(request, options), async (written) => {
            await truncate(request.to, (await written).sizeBytes - 512);
            return written;
          }),
      },
    }),
  ),
  broken(
    'transfer',
    'says another digest than the file has',
    'brings back the same bytes',
    ({ transfer }) => ({
      transfer: {
        ...transfer,
        export: (request, options) =>
          ending(transfer.export(request, options), async (written) => ({
            ...(await written),
            digest: `sha256:${'0'.repeat(64)}`,
          })),
      },
    }),
  ),
  broken(
    'transfer',
    'ignores the digest that it was given',
    'refuses what isn’t there',
    ({ transfer }) => ({
      transfer: {
        ...transfer,
        import: (request, options) => transfer.import({ ...request, digest: undefined }, options),
      },
    }),
  ),
  broken(
    'transfer',
    'throws the file system’s own errors',
    'refuses what isn’t there',
    ({ transfer }) => ({
      transfer: {
        ...transfer,
        import: (request, options) =>
          ending(transfer.import(request, options), (made) =>
            made.catch((error: unknown) => {
              throw ImgkitError.is(error, 'NOT_FOUND') ? new Error('ENOENT') : error;
            }),
          ),
      },
    }),
  ),
  broken('transfer', 'writes over another file', 'writes a file whole', ({ transfer }) => ({
    transfer: {
      ...transfer,
      export: (request, options) =>
        doing(async () => {
          await rm(request.to, { force: true });
          return transfer.export(request, options);
        }),
    },
  })),
  broken(
    'transfer',
    'leaves half a file when it is cancelled',
    'writes a file whole',
    ({ transfer }) => ({
      transfer: {
        ...transfer,
        export: (request, options) =>
          ending(transfer.export(request, options), (written) =>
            written.catch(async (error: unknown) => {
              if (ImgkitError.is(error, 'CANCELLED')) await writeFile(`${request.to}.part`, 'half');
              throw error;
            }),
          ),
      },
    }),
  ),

  broken('transfer', 'ignores the key of an import', 'makes one image', ({ transfer }) => ({
    transfer: {
      ...transfer,
      import: (request, options) =>
        transfer.import({ ...request, idempotencyKey: undefined }, options),
    },
  })),
  broken('transfer', 'publishes what it imports', 'makes one image', ({ transfer }) => ({
    transfer: {
      ...transfer,
      import: (request, options) => transfer.import({ ...request, staged: false }, options),
    },
  })),
];
