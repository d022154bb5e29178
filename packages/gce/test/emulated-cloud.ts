import { createImgkit, type Clock, type ImageRef, type Imgkit, type Provider } from '@imgkit/core';
import { startGceEmulator, type GceEmulator, type GceEmulatorOptions } from '@imgkit/emulators';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { gce } from '../src/plugin.ts';

const publicProject = 'debian-cloud';
const project = 'imgkit-test';
const guest = 'imgkit-guest';
const bucket = 'imgkit-uploads';
const zone = 'us-central1-a';

/** Tries again sooner than with the real cloud. */
const retry = { initialMs: 10 };

/** Two processes of one project, and another project, on one emulated cloud. */
export interface EmulatedCloud extends AsyncDisposable {
  readonly emulator: GceEmulator;
  /** The kit of the first process. */
  readonly kit: Imgkit;
  readonly provider: Provider;
  /** The same project in a kit of its own. */
  readonly other: Provider;
  /** Another project, with credentials of its own. */
  readonly consumer: Provider;
  /** A public image. */
  readonly base: ImageRef;
}

/**
 * Starts a cloud with a project, a guest, and a project of public images.
 *
 * @param options - `clock`: the time that the emulator goes by; `kitClock`: that of the kits; `projects`: the ids of more
 *   projects.
 */
export async function emulatedCloud(
  options: Pick<GceEmulatorOptions, 'clock'> & {
    readonly kitClock?: Clock;
    readonly projects?: readonly string[];
  } = {},
): Promise<EmulatedCloud> {
  const home = await mkdtemp(join(tmpdir(), 'imgkit-gce-'));
  const robot = `serviceAccount:ci@${guest}.iam.gserviceaccount.com`;
  const emulator = await startGceEmulator({
    clock: options.clock,
    projects: [
      { id: project },
      { id: guest, bindings: [{ role: 'roles/editor', members: [robot] }] },
      { id: publicProject },
      ...(options.projects ?? []).map((id) => ({ id })),
    ],
  });
  emulator
    .project(publicProject)
    .addImage({ name: 'debian-12', family: 'debian-12', diskSizeGb: 1 });
  emulator.project(publicProject).makePublic();
  emulator.project(project).addBucket(bucket);
  const { endpoint, storageEndpoint } = emulator;
  const ours = { endpoint, storageEndpoint, project, zone, bucket };
  const credentials = { kind: 'token', token: emulator.token(robot) } as const;
  const [kit, second] = await Promise.all([
    createImgkit({
      stateDirectory: join(home, 'one'),
      retry,
      clock: options.kitClock,
      providers: [gce(ours), gce({ endpoint, name: 'guest', project: guest, zone, credentials })],
    }),
    createImgkit({
      stateDirectory: join(home, 'two'),
      retry,
      clock: options.kitClock,
      providers: [gce(ours)],
    }),
  ]);
  return {
    emulator,
    kit,
    provider: kit.providers.get('gce'),
    other: second.providers.get('gce'),
    consumer: kit.providers.get('guest'),
    base: { provider: 'gce', id: `projects/${publicProject}/global/images/debian-12` },
    async [Symbol.asyncDispose]() {
      await kit[Symbol.asyncDispose]();
      await second[Symbol.asyncDispose]();
      await emulator.close();
      await rm(home, { recursive: true, force: true });
    },
  };
}
