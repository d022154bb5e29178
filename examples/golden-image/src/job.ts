import { join } from 'node:path';
import { bake, type BakedImage } from '@imgkit/bake';
import { family, formatRef, project, type Image, type Imgkit } from '@imgkit/core';
import { debianBase, qemuStore } from '@imgkit/qemu';
import type { JobContext } from './job-context.ts';
import { openKit } from './kit.ts';
import { table } from './table.ts';
import { tryImage } from './try-image.ts';
import { webPackages } from './web-packages.ts';
import { webRecipe } from './web-recipe.ts';

/** The whole of it: base, two versions, sharing, a machine from the head, and what is left at the end. */
export async function job(context: JobContext): Promise<void> {
  const { screen, signal } = context;
  await using kit = await openKit(signal);
  for (const name of kit.providers.names()) await kit.providers.get(name).check({ signal });

  screen.heading('Base image');
  await prepareBase(kit, context);
  const packages = await webPackages(join(kit.stateDirectory, 'golden-image-packages'), signal);

  const baked: BakedImage[] = [];
  for (const version of [1, 2]) {
    screen.heading(`web, version ${version}`);
    baked.push(await bakeVersion(kit, version, packages, context));
  }

  screen.heading('Project team-b uses the family');
  await shareFamily(kit, context);
  const head = await kit.families.head('team-b', family('web', { project: 'default' }), { signal });
  screen.step(`its head, seen from team-b, is ${head.name}`);
  const { page, before } = await tryHead(kit, head, context);
  const [, title = page] = /<h1>(.*)<\/h1>/u.exec(page) ?? [];
  screen.step(`a machine booted from it ${before ? 'served before' : 'serves'}: ${title}`);

  screen.heading('Version 1 from now on');
  const [first] = baked;
  if (first !== undefined) {
    const { warnings } = await kit.images.forUse(first.image.ref, { signal });
    for (const { message } of warnings) screen.step(`forUse warns: ${message}`);
  }

  screen.heading('What stands');
  for (const line of await summary(kit, baked, signal)) screen.line(line);
  await showMachines(kit, context);
}

async function prepareBase(kit: Imgkit, { screen, signal }: JobContext): Promise<void> {
  const base = qemuStore(kit.providers.get('qemu')).importBase(debianBase(), { signal });
  for await (const { message } of base) screen.now(message);
  const image = await base;
  screen.step(`${image.name} (family ${image.family ?? '-'})`);
}

async function bakeVersion(
  kit: Imgkit,
  version: number,
  packages: readonly string[],
  { screen, signal, verbose }: JobContext,
): Promise<BakedImage> {
  const recipe = webRecipe(version, packages);
  const run = bake(kit, recipe, { on: ['qemu'], version: String(version), signal });
  for await (const event of run) {
    screen.now(event.message);
    if (event.type === 'output' ? verbose : event.type !== 'progress') screen.step(event.message);
  }
  const [image] = (await run).images;
  if (image === undefined) throw new Error('a bake at one provider gives one image');
  return image;
}

async function shareFamily(kit: Imgkit, { screen, signal }: JobContext): Promise<void> {
  for await (const image of kit.families.versions('qemu', 'web', { signal })) {
    await kit.sharing.grant(image.ref, [project('team-b')], { signal });
    screen.step(`${image.name} is shared with team-b`);
  }
}

/** Boots the head, unless this very image was tried before: a run that succeeded isn't run again. */
async function tryHead(
  kit: Imgkit,
  head: Image,
  { screen, signal }: JobContext,
): Promise<{ readonly page: string; readonly before: boolean }> {
  const id = `try-${head.name}-${(head.digest ?? head.createdAt).replace(/[^0-9a-z]/giu, '').slice(-16)}`;
  const input = { provider: 'team-b', image: formatRef(head.ref) };
  const before = await succeeded(kit, id);
  const run = await kit.runs.start(tryImage(kit), input, { id, signal, restart: true });
  if (before) return { page: (await run.result()).page, before };
  const stop = (): void => void kit.runs.cancel(id, { reason: 'interrupted' });
  signal.addEventListener('abort', stop, { once: true });
  try {
    for await (const event of kit.runs.events(id, { follow: true })) {
      screen.now(event.message);
      if (event.type === 'progress' || event.type === 'resource-removed')
        screen.step(event.message);
    }
    return { page: (await run.result()).page, before };
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

async function succeeded(kit: Imgkit, id: string): Promise<boolean> {
  for await (const run of kit.runs.list({ workflow: 'try-image', states: ['SUCCEEDED'] }))
    if (run.id === id) return true;
  return false;
}

async function summary(
  kit: Imgkit,
  baked: readonly BakedImage[],
  signal: AbortSignal,
): Promise<string[]> {
  const rows = [['IMAGE', 'VERSION', 'STATE', 'REPLACEMENT', 'CREATED', 'TIME']];
  for await (const image of kit.families.versions('qemu', 'web', { signal })) {
    const bakedNow = baked.find((one) => one.image.ref.id === image.ref.id);
    const seconds = ((bakedNow?.durationMs ?? 0) / 1000).toFixed(1);
    const { state, replacement } = image.deprecation;
    const time = bakedNow === undefined ? '' : `${seconds} s${bakedNow.reused ? ' (reused)' : ''}`;
    const replacementName = replacement?.id.split('/').at(-1) ?? '';
    rows.push([
      image.name,
      image.version ?? '',
      state,
      replacementName,
      image.createdAt.slice(0, 19),
      time,
    ]);
  }
  return table(rows);
}

async function showMachines(kit: Imgkit, { screen, signal }: JobContext): Promise<void> {
  const left: string[] = [];
  for (const name of kit.providers.names()) {
    const { instances } = kit.providers.require(name, 'instances');
    for await (const { id } of instances.list({}, { signal })) left.push(id);
  }
  screen.line('');
  screen.line(left.length === 0 ? 'No machine is left.' : `Machines: ${left.join(', ')}`);
}
