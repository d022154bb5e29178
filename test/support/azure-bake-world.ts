import { azure } from '@imgkit/azure';
import { startAzureEmulator, type AzureEmulator } from '@imgkit/emulators';
import { azurePlace } from './azure-place.ts';
import { openWorld, type BaseOfWorld, type CloudBakeWorld } from './cloud-bake-world.ts';

const { subscription, resourceGroup, gallery, location } = azurePlace;
const group = `/subscriptions/${subscription}/resourceGroups/${resourceGroup}`;
export const galleryId = `${group}/providers/Microsoft.Compute/galleries/${gallery}`;

/** An emulated Azure whose machines are real; or why there can't be one on this computer. */
export function openAzureWorld(
  parent: string,
  base: BaseOfWorld,
): Promise<CloudBakeWorld<AzureEmulator> | string> {
  return openWorld(parent, async (machines) => {
    const emulator = await startAzureEmulator({ machines });
    for (const id of [group, galleryId]) emulator.seed(id, { location });
    const version = `${galleryId}/images/${base.family}/versions/1.0.0`;
    await emulator.importVersion(version, { file: base.file, location });
    emulator.seed(version, {
      tags: { 'imgkit-name': base.name, 'imgkit-published': '2026-11-01T00:00:00Z' },
    });
    const { endpoint } = emulator;
    return {
      emulator,
      provider: 'azure',
      plugin: () => azure({ endpoint, ...azurePlace }),
      place: { azure: endpoint },
      base: base.name,
    };
  });
}
