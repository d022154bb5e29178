import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

// The directory that is the cloud of embedded-engine.kill.program.ts. A thing that stands is a file `.json`, one that was removed has become a file `.gone` with a
// name of its own. So what was ever made is on the disk at the moment at which it is made, and no kill comes in between.

interface Thing {
  readonly id: string;
  readonly name: string;
  readonly token: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** The things whose files end so. */
export function thingsIn(cloud: string, ...endings: readonly string[]): readonly Thing[] {
  return readdirSync(cloud)
    .filter((file) => endings.some((ending) => file.endsWith(ending)))
    .flatMap((file) => read(join(cloud, file)));
}

/** The names of all that was ever made, with one that was made twice twice. */
export function madeIn(cloud: string): readonly string[] {
  return thingsIn(cloud, '.json', '.gone')
    .map(({ name }) => name)
    .toSorted();
}

function read(file: string): Thing[] {
  try {
    return [JSON.parse(readFileSync(file, 'utf8'))];
  } catch (error) {
    // Another process has removed it since its name was read.
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  }
}
