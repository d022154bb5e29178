import { hostCaching, place, reference } from '../shapes.ts';
import { flag, integer, object, tags, text, word } from '../shape.ts';

/** What may be sent about managed images: api-version 2026-04-01. */
export const managedImageBody = object(
  {
    location: place,
    properties: object(
      {},
      {
        sourceVirtualMachine: reference,
        hyperVGeneration: word('V1', 'V2'),
        storageProfile: object(
          {},
          {
            osDisk: object(
              { osType: word('Linux', 'Windows'), osState: word('Generalized', 'Specialized') },
              {
                snapshot: reference,
                managedDisk: reference,
                blobUri: text(),
                diskSizeGB: integer(1, 32_767),
                storageAccountType: text(),
                caching: hostCaching,
              },
            ),
            zoneResilient: flag(),
          },
        ),
      },
    ),
  },
  { tags: tags() },
);
