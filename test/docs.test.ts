import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { compile, fencesOf } from './support/fences.ts';
import { readFiles, root } from './support/repository.ts';

const documents = /^(?:[^/]+\.md|docs\/.*\.md|(?:packages|examples)\/[^/]+\/README\.md)$/;
const sources = /^packages\/[^/]+\/src\/.*(?<!\.test)\.ts$/;

describe('the documentation', () => {
  it('has only examples that compile', async () => {
    const files = [...(await readFiles(documents)), ...(await readFiles(sources))];
    const fences = files.flatMap((file) => fencesOf(file));
    expect(fences.length).toBeGreaterThan(0);
    expect(await compile(fences, join(root, 'test/.examples/all'))).toEqual([]);
  });

  it('marks every TypeScript fence with plain ts, so that none escapes the compiler', async () => {
    const files = [...(await readFiles(documents)), ...(await readFiles(sources))];
    const marked = files.flatMap((file) => fencesOf(file)).filter(({ info }) => info !== 'ts');
    expect(marked.map(({ path, line, info }) => `${path}:${line} ${info}`)).toEqual([]);
  });
});

describe('the check of the documentation', () => {
  it('finds a mistake and says where it stands', async () => {
    const directory = join(root, 'test/.examples/seeded');
    onTestFinished(() => rm(directory, { recursive: true, force: true }));
    const guide = {
      path: 'docs/seeded.md',
      text: [
        'A guide.',
        '',
        '```ts',
        "import { ImgkitError } from '@imgkit/core';",
        "console.log(new ImgkitError('NOT_FOUND', 'gone').colour);",
        '```',
      ].join('\n'),
    };
    const source = {
      path: 'packages/core/src/seeded.ts',
      text: [
        '/**',
        ' * @example',
        ' * ```ts',
        " * const size: number = 'large';",
        ' * ```',
        ' */',
        'export const seeded = 1;',
      ].join('\n'),
    };
    const mistakes = await compile([guide, source].flatMap(fencesOf), directory);
    expect(mistakes).toHaveLength(2);
    expect(mistakes.toSorted()).toEqual([
      expect.stringMatching(/^docs\/seeded\.md:5:\d+ error TS2339: .*colour/),
      expect.stringMatching(/^packages\/core\/src\/seeded\.ts:4:\d+ error TS2322: /),
    ]);
  });

  it('sees a fence whatever its mark, and only in doc comments of sources', () => {
    const text = [
      'const template = `',
      '```ts',
      'not code',
      '```',
      '`;',
      '/** ```ts is only mentioned here */',
      '  /**',
      '   * ```ts no-check',
      '   * const indented = {',
      '   *   kept: true,',
      '   * };',
      '   * ```',
      '   */',
    ].join('\n');
    expect(fencesOf({ path: 'packages/core/src/x.ts', text })).toEqual([
      {
        path: 'packages/core/src/x.ts',
        line: 8,
        info: 'ts no-check',
        code: ['const indented = {', '  kept: true,', '};'],
      },
    ]);
  });

  it('refuses a fence that is never closed', () => {
    expect(() => fencesOf({ path: 'README.md', text: '```ts\nconst open = 1;' })).toThrow(
      'README.md:1: this fence is never closed',
    );
  });
});
