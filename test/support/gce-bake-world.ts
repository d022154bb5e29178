import { startGceEmulator, type GceEmulator } from '@imgkit/emulators';
import { gce } from '@imgkit/gce';
import { openWorld, type BaseOfWorld, type CloudBakeWorld } from './cloud-bake-world.ts';

const project = 'imgkit-test';
const zone = 'us-central1-a';

/** An emulated Compute Engine whose machines are real; or why there can't be one on this computer. */
export function openGceWorld(
  parent: string,
  base: BaseOfWorld,
): Promise<CloudBakeWorld<GceEmulator> | string> {
  return openWorld(parent, async (machines) => {
    const { project: owner = project, ...image } = base;
    const projects = [...new Set([project, owner])].map((id) => ({ id }));
    const emulator = await startGceEmulator({ projects, machines });
    if (owner !== project) emulator.project(owner).makePublic();
    await emulator.project(owner).importImage(image);
    const { endpoint } = emulator;
    return {
      emulator,
      provider: 'gce',
      plugin: () => gce({ endpoint, project, zone }),
      place: { computeEngine: endpoint },
      base: base.name,
    };
  });
}
