import { ImgkitError } from '../../../spec/errors.ts';
import { collect } from '../assertions.ts';
import { broken, ending } from './mutation.ts';

/** Broken rules of machines, machine images and warm starts. */
export const machineMutations = [
  broken('instances', 'launches twice for one key', 'are launched, once', ({ instances }) => ({
    instances: {
      ...instances,
      launch: (request, options) =>
        instances.launch({ ...request, idempotencyKey: undefined }, options),
    },
  })),
  broken(
    'instances',
    'leaves the disks of a deleted machine',
    'are launched, once',
    ({ instances, disks }) => ({
      instances: {
        ...instances,
        delete: (id, options) =>
          ending(instances.delete(id, options), async (deleted) => {
            const instance = await instances.get(id).catch(() => undefined);
            await deleted;
            if (instance === undefined) return;
            const { name, labels } = instance;
            await disks.create({ name, labels, sizeBytes: 1 });
          }),
      },
    }),
  ),
  broken('instances', 'deletes a disk in use', 'are launched, once', ({ disks }) => ({
    disks: {
      ...disks,
      delete: (id, options) =>
        ending(disks.delete(id, options), (deleted) => deleted.catch(() => undefined)),
    },
  })),
  broken('instances', 'forgets the metadata', 'are launched, once', ({ instances }) => ({
    instances: {
      ...instances,
      launch: (request, options) => instances.launch({ ...request, metadata: {} }, options),
    },
  })),
  broken('instances', 'reaches every port', 'are launched, once', ({ instances }) => ({
    instances: {
      ...instances,
      endpoint: (id, port, options) =>
        instances
          .endpoint(id, port, options)
          .catch(() => ({ host: '127.0.0.1', port: 1, hostKeys: [] })),
    },
  })),
  broken(
    'instances',
    'gives the whole console whatever is asked',
    'are launched, once',
    ({ instances }) => ({
      instances: { ...instances, console: (id) => instances.console(id) },
    }),
  ),
  broken(
    'instances',
    'doesn’t tell that an instance uses an image',
    'are launched, once',
    ({ usage }) => ({
      usage: {
        of: async (id, options) => {
          const report = await usage.of(id, options);
          return { ...report, users: report.users.filter(({ kind }) => kind !== 'instance') };
        },
      },
    }),
  ),
  broken(
    'instances',
    'captures a running machine without being told',
    'are stopped, captured',
    ({ images }) => ({
      images: {
        ...images,
        create: (request, options) =>
          images.create(
            request.source.kind === 'instance'
              ? { ...request, source: { ...request.source, whenRunning: 'flush' } }
              : request,
            options,
          ),
      },
    }),
  ),
  broken(
    'instances',
    'says that it stopped what runs',
    'are stopped, captured',
    ({ instances }) => ({
      instances: { ...instances, stop: (id, options) => instances.start(id, options) },
    }),
  ),
  broken(
    'instances',
    'fails to stop what is stopped',
    'are stopped, captured',
    ({ instances, name }) => ({
      instances: {
        ...instances,
        stop: (id, options) => {
          const before = instances.get(id);
          return ending(instances.stop(id, options), async (stopped) => {
            if ((await before).status !== 'STOPPED') return stopped;
            const details = { provider: name, operation: 'instances.stop' };
            throw new ImgkitError('FAILED_PRECONDITION', 'it is stopped', details);
          });
        },
      },
    }),
  ),
  broken(
    'instances',
    'makes the boot disk large enough by itself',
    'aren’t launched with bad',
    ({ instances }) => ({
      instances: {
        ...instances,
        launch: (request, options) =>
          instances.launch({ ...request, bootDiskSizeBytes: undefined }, options),
      },
    }),
  ),
  broken(
    'instances',
    'launches from OBSOLETE images',
    'aren’t launched from OBSOLETE',
    ({ instances, deprecation }) => ({
      instances: {
        ...instances,
        launch: (request, options) =>
          ending(instances.launch(request, options), (launched) =>
            launched.catch(async (error: unknown) => {
              if (!ImgkitError.is(error, 'IMAGE_OBSOLETE') || request.boot.kind !== 'image') {
                throw error;
              }
              await deprecation.set(request.boot.image.id, { state: 'ACTIVE' });
              return instances.launch(request, options);
            }),
          ),
      },
    }),
  ),
  broken(
    'instances',
    'deletes disks that stood before the machine',
    'are stopped, captured',
    ({ instances, disks }) => ({
      instances: {
        ...instances,
        delete: (id, options) =>
          ending(instances.delete(id, options), async (deleted) => {
            const instance = await instances.get(id).catch(() => undefined);
            await deleted;
            for (const disk of instance?.disks ?? []) await disks.delete(disk.id);
          }),
      },
    }),
  ),
  broken(
    'instances',
    'doesn’t tell what a disk is attached to',
    'are stopped, captured',
    ({ disks }) => ({
      disks: { ...disks, get: async (id) => ({ ...(await disks.get(id)), instances: [] }) },
    }),
  ),
  broken(
    'machine images',
    'holds the boot disk only, and promises all',
    'are taken of machines',
    ({ machineImages }) => ({
      machineImages: { ...machineImages, traits: { ...machineImages.traits, disks: 'all' } },
    }),
    { traits: { machineImages: { disks: 'boot' } } },
  ),
  broken(
    'cancellation',
    'launches although it was cancelled before',
    'of a launch',
    ({ instances }) => ({
      instances: { ...instances, launch: (request) => instances.launch(request) },
    }),
  ),

  broken(
    'machine images',
    'restores without the overrides',
    'are taken of machines',
    ({ machineImages }) => ({
      machineImages: {
        ...machineImages,
        restore: ({ machineImage, name, labels }, options) =>
          machineImages.restore({ machineImage, name, labels }, options),
      },
    }),
  ),
  broken(
    'machine images',
    'takes machine images as often as it is asked',
    'are taken of machines',
    ({ machineImages }) => ({
      machineImages: {
        ...machineImages,
        traits: { ...machineImages.traits, minIntervalMs: 60_000 },
      },
    }),
  ),
  broken(
    'machine images',
    'deletes a machine with its machine images',
    'are taken of machines',
    ({ instances, machineImages }) => ({
      instances: {
        ...instances,
        delete: (id, options) =>
          ending(instances.delete(id, options), async (deleted) => {
            for (const held of await collect(machineImages.list({ instance: id }))) {
              await machineImages.delete(held.id);
            }
            await deleted;
          }),
      },
    }),
  ),
  broken(
    'machine images',
    'claims to ask no guest to flush, and asks',
    'are taken of machines',
    ({ machineImages }) => ({
      machineImages: {
        ...machineImages,
        traits: { ...machineImages.traits, applicationConsistency: false },
      },
    }),
  ),

  broken('warm starts', 'has one key for all images', 'have a key', ({ warmStarts }) => ({
    warmStarts: { ...warmStarts, key: () => Promise.resolve('the-key') },
  })),
  broken('warm starts', 'saves a machine that is off', 'aren’t saved', ({ warmStarts }) => ({
    warmStarts: {
      ...warmStarts,
      save: (key, id, options) =>
        warmStarts.save(key, id, options).catch((error: unknown) => {
          if (!ImgkitError.is(error, 'FAILED_PRECONDITION')) throw error;
        }),
    },
  })),
];
