// @ts-check
// Builds the packages whose inputs changed since their last build, so that a second `pnpm start` begins at once.
// `node scripts/build.mjs --force` builds all of them.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** @type {(directory: string) => string} */
function inputDigest(directory) {
  const sources = readdirSync(join(directory, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts') && !path.endsWith('.test.ts'))
    .toSorted()
    .map((path) => join(directory, 'src', path));
  const shared = ['pnpm-lock.yaml', 'tsconfig.json'].map((path) => join(root, path));
  const hash = createHash('sha256');
  for (const path of [...shared, join(directory, 'package.json'), ...sources]) {
    hash.update(path).update('\0').update(readFileSync(path)).update('\0');
  }
  return hash.digest('hex');
}

const packages = readdirSync(join(root, 'packages'))
  .map((name) => ({ name, directory: join(root, 'packages', name) }))
  .filter(({ directory }) => existsSync(join(directory, 'package.json')))
  .map(({ name, directory }) => {
    const stamp = join(directory, 'node_modules', '.imgkit-build');
    const digest = inputDigest(directory);
    const built = existsSync(join(directory, 'dist', 'index.js')) && existsSync(stamp);
    return { name, stamp, digest, fresh: built && readFileSync(stamp, 'utf8') === digest };
  });

const stale = process.argv.includes('--force')
  ? packages
  : packages.filter((candidate) => !candidate.fresh);
if (stale.length > 0) {
  // Without its stamp, a package whose build is interrupted is built again next time.
  for (const { stamp } of stale) rmSync(stamp, { force: true });
  const filters = stale.flatMap(({ name }) => ['--filter', `./packages/${name}`]);
  const { status } = spawnSync('pnpm', ['--recursive', '--fail-if-no-match', ...filters, 'build'], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  if (status === 0) {
    for (const { stamp, digest } of stale) {
      mkdirSync(dirname(stamp), { recursive: true });
      writeFileSync(stamp, digest);
    }
  }
  process.exitCode = status ?? 1;
}
