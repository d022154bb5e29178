import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { capabilityNames, type Plugin } from '@imgkit/core';
import type { ProviderSuiteReport, RegisterTest } from '@imgkit/core/testing';
import { expect, it } from 'vitest';
import { fencesOf } from './support/fences.ts';
import { readFiles, root } from './support/repository.ts';

/** What the guide's fences export, in their order: a provider, and how to test one. */
interface Guide {
  shelf(options: { readonly directory: string }): Plugin;
  testPlugin(
    configure: (directory: string) => Plugin,
    register: RegisterTest,
  ): Promise<ProviderSuiteReport>;
}

// The guide's provider, taken from the guide as it stands there, and put through its own test.
const guide = await loadGuide();
const report = await guide.testPlugin((directory) => guide.shelf({ directory }), it);

it('the guide shows the smallest provider: all capabilities are absent', () => {
  expect(report.absent).toEqual(capabilityNames);
});

async function loadGuide(): Promise<Guide> {
  const [file] = await readFiles(/^docs\/writing-a-provider\.md$/);
  const directory = join(root, 'test/.examples/guide');
  await mkdir(directory, { recursive: true });
  const modules = await Promise.all(
    (file === undefined ? [] : fencesOf(file)).map(async ({ code }, index): Promise<Guide> => {
      const path = join(directory, `fence-${index}.ts`);
      await writeFile(path, code.join('\n'));
      return import(path);
    }),
  );
  return Object.assign({}, ...modules);
}
