import { collect } from '../assertions.ts';
import { broken, ending } from './mutation.ts';

/** Broken rules of fleets. */
export const fleetMutations = [
  broken(
    'fleets',
    'takes machines away before there are new ones',
    'are made, resized',
    ({ fleets }) => ({
      fleets: {
        ...fleets,
        rollOut: (request, options) =>
          fleets.rollOut({ ...request, maxSurge: 0, maxUnavailable: 2 }, options),
      },
    }),
  ),
  broken('fleets', 'makes more machines than it may', 'are made, resized', ({ fleets }) => ({
    fleets: {
      ...fleets,
      rollOut: (request, options) => fleets.rollOut({ ...request, maxSurge: 2 }, options),
    },
  })),
  broken(
    'fleets',
    'replaces all machines when it is resized',
    'are made, resized',
    ({ fleets }) => ({
      fleets: {
        ...fleets,
        resize: (id, size, options) =>
          ending(fleets.resize(id, 0, options), async (emptied) => {
            await emptied;
            return fleets.resize(id, size, options);
          }),
      },
    }),
  ),
  broken(
    'fleets',
    'leaves the machines of a deleted fleet',
    'are made, resized',
    ({ fleets, disks }) => ({
      fleets: {
        ...fleets,
        delete: (id, options) =>
          ending(fleets.delete(id, options), async (deleted) => {
            const fleet = await fleets.get(id).catch(() => undefined);
            await deleted;
            if (fleet === undefined) return;
            await disks.create({ name: fleet.name, labels: fleet.labels, sizeBytes: 1 });
          }),
      },
    }),
  ),
  broken(
    'fleets',
    'doesn’t count an empty fleet as a user',
    'of no machines',
    ({ usage, fleets }) => ({
      usage: {
        of: async (id, options) => {
          const report = await usage.of(id, options);
          const empty = (await collect(fleets.list())).filter(({ size }) => size === 0);
          const users = report.users.filter((user) => empty.every((fleet) => fleet.id !== user.id));
          return { ...report, users };
        },
      },
    }),
  ),
  broken('fleets', 'rolls out with bounds that allow nothing', 'of no machines', ({ fleets }) => ({
    fleets: {
      ...fleets,
      rollOut: (request, options) => fleets.rollOut({ ...request, maxSurge: 1 }, options),
    },
  })),
  broken('fleets', 'replaces all machines by the canary', 'are made, resized', ({ fleets }) => ({
    fleets: {
      ...fleets,
      rollOut: (request, options) => fleets.rollOut({ ...request, canary: undefined }, options),
    },
  })),
  broken('fleets', 'goes on with a paused rollout', 'are made, resized', ({ fleets }) => ({
    fleets: { ...fleets, pause: (id, options) => fleets.get(id, options) },
  })),
  broken('fleets', 'rolls back to where it is', 'are made, resized', ({ fleets }) => ({
    fleets: {
      ...fleets,
      rollBack: (id, options) => ending(fleets.resize(id, 2, options), (resized) => resized),
    },
  })),
];
