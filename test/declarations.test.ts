import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { root } from './support/repository.ts';

const packages = join(root, 'packages');
/** What our types may be made of: a cloud's own types cost a compiler seconds, and change when the cloud likes. */
const allowed = /^(?:\.{1,2}\/.*|node:.*|@imgkit\/core(?:\/.*)?|inversify)$/;

/** The modules that declarations take types from; those in comments are left out. */
function modulesOf(declarations: string): readonly string[] {
  const code = declarations.replaceAll(/\/\*[\s\S]*?\*\//g, '');
  const imports = code.matchAll(/(?:\bfrom|\bimport\(|\bimport)\s*['"]([^'"]+)['"]/g);
  return Array.from(imports, ([, name = '']) => name);
}

describe('the types of our packages', async () => {
  it.each(await readdir(packages))('%s name no type of a cloud’s own client', async (name) => {
    const dist = join(packages, name, 'dist');
    expect(existsSync(dist), `${dist} is not there: pnpm build makes it`).toBe(true);
    const files = (await readdir(dist, { recursive: true })).filter((one) => one.endsWith('.d.ts'));
    expect(files.length).toBeGreaterThan(0);
    const texts = await Promise.all(files.map((one) => readFile(join(dist, one), 'utf8')));
    expect(texts.flatMap(modulesOf).filter((one) => !allowed.test(one))).toEqual([]);
  });

  it('would be seen to name one', () => {
    const text = `/** from 'zod' */ import { google } from '@google-cloud/compute';\nlet x: import("gaxios").X;`;
    expect(modulesOf(text)).toEqual(['@google-cloud/compute', 'gaxios']);
  });
});
