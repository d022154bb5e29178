// What it costs a consumer to typecheck a file that imports @imgkit/gce: TypeScript's own account of its time and
// memory, in fresh processes, from the built package. Median of 5.
//
//   node bench/gce-types.ts
import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';

/** What we claim. */
const claims = { seconds: 2, megabytes: 300 } as const;
const runs = 5;
const root = join(import.meta.dirname, '..');

const consumer = `
import { createImgkit, family } from '@imgkit/core';
import { gce, isGceImage } from '@imgkit/gce';

await using kit = await createImgkit({
  providers: [gce({ name: 'prod', project: 'acme-images', zone: 'us-central1-a' })],
});
const { image } = await kit.images.forUse(family('debian-12', { project: 'debian-cloud' }));
const licenses: readonly string[] = isGceImage(image.native) ? (image.native.licenses ?? []) : [];
export const summary: string = \`\${image.name} \${licenses.length}\`;
`;
const settings = {
  compilerOptions: {
    target: 'es2024',
    lib: ['es2024', 'esnext.disposable'],
    module: 'nodenext',
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    // As in a project of one's own: what packages declare is not checked again, but it is read.
    skipLibCheck: true,
    noEmit: true,
    types: ['node'],
  },
  files: ['consumer.ts'],
};

/** A project of its own that has our packages as its dependencies. */
async function makeProject(directory: string): Promise<void> {
  const modules = join(directory, 'node_modules');
  await mkdir(join(modules, '@imgkit'), { recursive: true });
  await mkdir(join(modules, '@types'));
  for (const name of ['core', 'gce']) {
    await symlink(join(root, 'packages', name), join(modules, '@imgkit', name));
  }
  await symlink(join(root, 'node_modules/@types/node'), join(modules, '@types/node'));
  await writeFile(join(directory, 'package.json'), JSON.stringify({ type: 'module' }));
  await writeFile(join(directory, 'tsconfig.json'), JSON.stringify(settings));
  await writeFile(join(directory, 'consumer.ts'), consumer);
}

function typecheck(directory: string): { readonly seconds: number; readonly megabytes: number } {
  const compiler = join(root, 'node_modules/typescript/lib/tsc.js');
  const { status, stdout } = spawnSync(
    process.execPath,
    [compiler, '--project', directory, '--extendedDiagnostics'],
    { encoding: 'utf8' },
  );
  if (status !== 0) throw new Error(`the file doesn't typecheck:\n${stdout}`);
  const told = (what: string): number =>
    Number(new RegExp(`^${what}:\\s+([\\d.]+)`, 'm').exec(stdout)?.[1]);
  return { seconds: told('Total time'), megabytes: told('Memory used') / 1024 };
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

const directory = await mkdtemp(join(tmpdir(), 'imgkit-types-'));
try {
  await makeProject(directory);
  const load = loadavg()[0]?.toFixed(1);
  typecheck(directory); // fills the page cache
  const results = Array.from({ length: runs }, () => typecheck(directory));
  const seconds = median(results.map((result) => result.seconds));
  const megabytes = median(results.map((result) => result.megabytes));
  console.log(`node ${process.versions.node}, ${cpus().length} processors, load ${load}`);
  console.log(
    `typecheck of a file that imports @imgkit/gce: median ${seconds.toFixed(2)} s, ${megabytes.toFixed(0)} MB ` +
      `(${runs} runs), claim: under ${claims.seconds} s and ${claims.megabytes} MB`,
  );
  process.exitCode = seconds < claims.seconds && megabytes < claims.megabytes ? 0 : 1;
} finally {
  await rm(directory, { recursive: true, force: true });
}
