import { defaultServerConditions } from 'vite';
import { configDefaults, defineConfig } from 'vitest/config';

// Tests read the packages' sources, not their builds (examples and users read dist).
const conditions = ['@imgkit/source', ...defaultServerConditions];
const tests = ['src/**/*.test.ts', 'test/**/*.test.ts'];
// Tests that boot machines: they need the processors, and run after the others.
const vmTests = '**/*.vm.test.ts';
// Tests that need a real OpenStack, started from Debian's packages.
const openstackTests = '**/*.openstack.test.ts';
const exclude = [...configDefaults.exclude, vmTests, openstackTests];

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: conditions } },
  test: {
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 20_000,
    hookTimeout: 30_000,
    unstubEnvs: true,
    restoreMocks: true,
    reporters: ['default', 'json'],
    outputFile: { json: 'reports/vitest.json' },
    coverage: { include: ['packages/*/src/**/*.ts'], reportsDirectory: 'reports/coverage' },
    projects: [
      ...['core', 'bake', 'qemu', 'emulators', 'gce', 'azure', 'rackspace'].map((name) => ({
        extends: true as const,
        test: {
          name,
          root: `packages/${name}`,
          include: tests,
          exclude,
          // Where files only make calls, a process for each would be what costs most.
          isolate: ['core', 'bake', 'qemu'].includes(name),
        },
      })),
      {
        extends: true,
        // Some start a compiler or other programs, which take their time on a busy machine.
        test: {
          name: 'repo',
          root: 'test',
          include: ['**/*.test.ts'],
          exclude,
          testTimeout: 60_000,
        },
      },
      {
        extends: true,
        test: {
          name: 'vm',
          include: [`packages/*/src/${vmTests}`, `packages/*/test/${vmTests}`, `test/${vmTests}`],
          globalSetup: 'test/vm-setup.ts',
          testTimeout: 600_000,
          hookTimeout: 300_000,
          sequence: { groupOrder: 1 }, // after all other projects
        },
      },
      {
        extends: true,
        test: {
          name: 'openstack',
          include: [`packages/rackspace/test/${openstackTests}`, `test/${openstackTests}`],
          globalSetup: ['test/vm-setup.ts', 'test/openstack/setup.ts'],
          testTimeout: 300_000,
          hookTimeout: 300_000,
          fileParallelism: false,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
