import { readdir, readFile } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The root directory of this repository. */
export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** A file of the repository, with its path from the root. */
export interface SourceFile {
  readonly path: string;
  readonly text: string;
}

/** All files that belong to the repository, by path: those that `.gitignore` names are left out. */
async function repositoryFiles(directory: string): Promise<string[]> {
  const ignored = (await readFile(join(root, '.gitignore'), 'utf8')).split('\n').filter(Boolean);
  const isIgnored = (path: string): boolean =>
    ignored.some((pattern) => {
      const name = pattern.replace(/\/$/, '');
      if (name.startsWith('*')) return path.endsWith(name.slice(1));
      return `/${path}/`.includes(`/${name}/`);
    });
  const found: string[] = [];
  const walk = async (folder: string): Promise<void> => {
    for (const entry of await readdir(folder, { withFileTypes: true })) {
      const full = join(folder, entry.name);
      const path = relative(directory, full).split(sep).join('/');
      if (entry.name === '.git' || isIgnored(path)) continue;
      if (entry.isDirectory()) await walk(full);
      else if (entry.isFile()) found.push(path);
    }
  };
  await walk(directory);
  return found.toSorted();
}

/** Reads those of the repository's files whose path `pattern` matches. */
export async function readFiles(pattern: RegExp, directory = root): Promise<SourceFile[]> {
  const paths = (await repositoryFiles(directory)).filter((path) => pattern.test(path));
  return Promise.all(
    paths.map(async (path) => ({ path, text: await readFile(join(directory, path), 'utf8') })),
  );
}
