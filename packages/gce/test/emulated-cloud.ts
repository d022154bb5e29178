import { createImgkit, type Imgkit, type Provider } from '@imgkit/core';
import { startGceEmulator, type GceEmulator } from '@imgkit/emulators';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { gce } from '../src/plugin.ts';

const base = 'debian-cloud';
const guest = 'imgkit-guest';
const bucket = 'imgkit-uploads';
const zone = 'us-central1-a';

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
  /** The id of a public image. */
  readonly baseImage: string;
}

/** Starts a cloud with a project, a guest, and a project of public images. */
export async function emulatedCloud(project = 'imgkit-test'): Promise<EmulatedCloud> {
  const home = await mkdtemp(join(tmpdir(), 'imgkit-gce-'));
  const robot = `serviceAccount:ci@${guest}.iam.gserviceaccount.com`;
  const emulator = await startGceEmulator({
    projects: [
      { id: project },
      { id: guest, bindings: [{ role: 'roles/editor', members: [robot] }] },
      { id: base },
    ],
  });
  emulator.project(base).addImage({ name: 'debian-12', family: 'debian-12', diskSizeGb: 1 });
  emulator.project(base).makePublic();
  emulator.project(project).addBucket(bucket);
  const { endpoint, storageEndpoint } = emulator;
  const ours = { endpoint, storageEndpoint, project, zone, bucket };
  const credentials = { kind: 'token', token: emulator.token(robot) } as const;
  const [kit, second] = await Promise.all([
    createImgkit({
      stateDirectory: join(home, 'one'),
      providers: [gce(ours), gce({ endpoint, name: 'guest', project: guest, zone, credentials })],
    }),
    createImgkit({
      stateDirectory: join(home, 'two'),
      providers: [gce(ours)],
    }),
  ]);
  return {
    emulator,
    kit,
    provider: kit.providers.get('gce'),
    other: second.providers.get('gce'),
    consumer: kit.providers.get('guest'),
    baseImage: `projects/${base}/global/images/debian-12`,
    async [Symbol.asyncDispose]() {
      await kit[Symbol.asyncDispose]();
      await second[Symbol.asyncDispose]();
      await emulator.close();
      await rm(home, { recursive: true, force: true });
    },
  };
}
