import { closeSync, openSync, readdirSync, readFileSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';

const chunkBytes = 2 ** 24;

/** The files, among these and below these directories, that hold one of the texts, each with what it holds. */
export function filesWith(paths: readonly string[], texts: readonly string[]): readonly string[] {
  return paths.flatMap(filesBelow).flatMap((path) => {
    const found = textsIn(path, texts);
    return found.length === 0 ? [] : [`${path}: ${found.join(', ')}`];
  });
}

/** A line out of each private key below a directory: enough to know it again, wherever it is. */
export function keyMaterial(directory: string): readonly string[] {
  return filesBelow(directory).flatMap((path) => {
    const text = readFileSync(path, 'utf8');
    if (!text.includes('PRIVATE KEY')) return [];
    // The first lines have the public key.
    const lines = text.split('\n').filter((line) => /^[\w+/=]{20,}$/u.test(line));
    return lines.slice(2, 4);
  });
}

function filesBelow(path: string): readonly string[] {
  if (statSync(path).isFile()) return [path];
  return readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

function textsIn(path: string, texts: readonly string[]): readonly string[] {
  const found = new Set<string>();
  const overlap = Math.max(...texts.map((text) => text.length));
  const chunk = Buffer.alloc(chunkBytes + overlap);
  const file = openSync(path, 'r');
  try {
    for (let position = 0; ; position += chunkBytes) {
      const read = readSync(file, chunk, 0, chunk.length, position);
      const bytes = chunk.subarray(0, read);
      for (const text of texts) if (bytes.includes(text)) found.add(text);
      if (read < chunk.length) return [...found];
    }
  } finally {
    closeSync(file);
  }
}
