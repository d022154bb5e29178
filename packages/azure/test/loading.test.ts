import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { describe, expect, it, onTestFinished } from 'vitest';

/** Runs a program in a process of its own, and gives which packages of Azure it has loaded in the end. */
function loadedBy(program: string): string[] {
  const watch = `
    import { registerHooks } from 'node:module';
    const seen = new Set();
    registerHooks({
      resolve(specifier, context, next) {
        const found = next(specifier, context);
        for (const [, name] of found.url.matchAll(/node_modules\\/(@azure(?:-rest)?\\/[^/]+)/g)) seen.add(name);
        return found;
      },
    });
    ${program}
    process.stdout.write(JSON.stringify([...seen]));
    process.exit();
  `;
  const args = ['--conditions=@imgkit/source', '--input-type=module', '--eval', watch];
  const ended = spawnSync(process.execPath, args, {
    encoding: 'utf8',
    cwd: import.meta.dirname,
    env: { ...process.env, NODE_OPTIONS: '' },
  });
  expect(ended.stderr).toBe('');
  const names: string[] = JSON.parse(ended.stdout);
  return names;
}

const options = JSON.stringify({
  subscription: '00000000-0000-0000-0000-000000000001',
  resourceGroup: 'images',
  gallery: 'golden',
  location: 'eastus',
  endpoint: 'http://127.0.0.1:9',
});

describe('importing @imgkit/azure', () => {
  it('loads nothing of Azure, and neither does making a kit of it', async () => {
    const home = await mkdtemp(join(tmpdir(), 'imgkit-azure-loading-'));
    onTestFinished(() => rm(home, { recursive: true, force: true }));
    const program = `
      const { createImgkit } = await import('@imgkit/core');
      const { azure } = await import('@imgkit/azure');
      const kit = await createImgkit({ stateDirectory: ${JSON.stringify(home)}, providers: [azure(${options})] });
      kit.providers.get('azure').images.traits;
    `;
    expect(loadedBy(program)).toEqual([]);
  });

  it('is told from one that loads the SDK', () => {
    const program = `
      await import('@azure/arm-compute');
      const { azure } = await import('@imgkit/azure');
      if (typeof azure !== 'function') throw new Error('no plugin');
    `;
    const loaded = loadedBy(program);
    expect(loaded).toContain('@azure/arm-compute');
    expect(loaded).not.toContain('@azure/identity');
  });
});
