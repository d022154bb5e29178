import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { fencesOf } from './support/fences.ts';
import { readFiles, root } from './support/repository.ts';

// The guide's first example is a test file: it is run as it stands there.
const directory = join(root, 'test/.examples/emulators');
const [file] = await readFiles(/^docs\/emulators\.md$/);
const [example] = file === undefined ? [] : fencesOf(file);
const path = join(directory, 'example.ts');
await mkdir(directory, { recursive: true });
await writeFile(path, example?.code.join('\n') ?? '');
await import(path);

afterAll(() => rm(directory, { recursive: true, force: true }));
