import { ImgkitError } from '@imgkit/core';

import type { CloudContext } from '../resources/context.ts';
import { checkFree } from '../resources/image-creation.ts';
import type { ImportRecord, ImportRecords } from './import-records.ts';

/** What has images that were made elsewhere start on XenServer, as openstacksdk sets it. */
const madeElsewhere = { vm_mode: 'hvm', xenapi_use_agent: 'False' };

/** What isn't a custom property of a new image. */
const standard = /^(?:name|visibility|disk_format|container_format|min_disk|min_ram|os_hidden)$/;

/** The custom properties of an image that is imported. */
export function importedProperties(
  body: Readonly<Record<string, unknown>>,
): Readonly<Record<string, string>> {
  const custom = Object.entries(body).flatMap(([name, value]) =>
    typeof value === 'string' && !standard.test(name) ? [[name, value] as const] : [],
  );
  return { ...madeElsewhere, ...Object.fromEntries(custom) };
}

/**
 * Refuses a name that another image has, or shall get from an import that began before.
 *
 * @throws `ALREADY_EXISTS`.
 */
export async function checkName(
  context: CloudContext,
  records: ImportRecords,
  mine: Pick<ImportRecord, 'name' | 'createdAt'> & { readonly key: string },
  signal: AbortSignal,
): Promise<void> {
  // An import that ends meanwhile is in the second list.
  for await (const key of records.list({ signal })) {
    if (key === mine.key) continue;
    const other = await records.read(key, { signal });
    if (other?.name !== mine.name || order(other, key) > order(mine, mine.key)) continue;
    throw new ImgkitError('ALREADY_EXISTS', `an image "${mine.name}" is being made already`, {
      resource: mine.name,
      hint: 'Choose another name, or wait for that image and delete it.',
    });
  }
  await checkFree(context, mine.name, '', signal);
}

function order({ createdAt }: Pick<ImportRecord, 'createdAt'>, key: string): string {
  return `${createdAt} ${key}`;
}
