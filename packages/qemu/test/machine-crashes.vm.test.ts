import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';

import { call, collect, guestLab, type GuestLab } from './guests.ts';

const base = inject('tinyBase');
const program = fileURLToPath(new URL('launch-program.ts', import.meta.url));
const flags = ['--conditions=@imgkit/source', '--experimental-strip-types', '--no-warnings'];

describe.skipIf(base.image === undefined)('when the program that launches is killed', () => {
  let lab: GuestLab;

  beforeAll(async () => {
    lab = await guestLab(inject('vmDirectory'), base.image?.path ?? '');
  });

  afterAll(async () => {
    await lab[Symbol.asyncDispose]();
  });

  function begin(request: object): ChildProcess {
    const child = spawn(process.execPath, [...flags, program], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const state = join(lab.home, 'child');
    child.stdin.end(JSON.stringify({ directory: lab.store, state, request }));
    return child;
  }

  async function kill(request: object, after: number): Promise<void> {
    const child = begin(request);
    await said(child, 'begun');
    await delay(after);
    child.kill('SIGKILL');
    await once(child, 'exit');
  }

  async function removeAll(): Promise<unknown> {
    for (const { id } of await collect(lab.instances.list())) await lab.instances.delete(id);
    return {
      processes: await processes(lab.store),
      directories: await readdir(join(lab.store, 'instances')),
      disks: await collect(lab.provider.disks?.list()),
    };
  }

  const nothing = { processes: [], directories: [], disks: [] };

  it('a machine that runs goes on, and is found and used by the next one', async () => {
    const request = lab.request('survivor', { idempotencyKey: 'survivor-1' });
    const child = begin(request);
    await said(child, 'launched');
    child.kill('SIGKILL');
    await once(child, 'exit');
    const [found] = await collect(lab.instances.list());
    expect(found).toMatchObject({ name: 'survivor', status: 'RUNNING' });
    if (found === undefined) throw new Error('it is lost');
    await lab.waitForGuest(found);
    expect(await lab.run(found, 'hostname')).toBe('survivor');
    expect(await lab.instances.launch(request)).toMatchObject({ id: found.id });
    expect(await removeAll()).toEqual(nothing);
  });

  it('a machine whose configuration another version wrote hides no other, and can be deleted', async () => {
    const { id } = await lab.instances.launch(lab.request('foreign'));
    const [number = ''] = await readdir(join(lab.store, 'instances'));
    await writeFile(join(lab.store, 'instances', number, 'machine.json'), '{"version":2}');
    expect(await collect(lab.instances.list())).toMatchObject([
      { id, status: 'FAILED', reason: expect.stringContaining('unreadable') },
    ]);
    expect(await processes(lab.store)).toHaveLength(1);
    expect(await removeAll()).toEqual(nothing);
  });

  it.each([0, 120, 300])('after %s ms, the same launch ends with one machine', async (after) => {
    const request = lab.request(`again-${after}`, { idempotencyKey: `again-${after}` });
    await kill(request, after);
    expect(await lab.instances.launch(request)).toMatchObject({ status: 'RUNNING' });
    expect(await processes(lab.store)).toHaveLength(1);
    expect(await removeAll()).toEqual(nothing);
  });

  it.each([0, 60, 200, 400])(
    'after %s ms, deleting what there is leaves nothing',
    async (after) => {
      await kill(lab.request(`gone-${after}`, { idempotencyKey: `gone-${after}` }), after);
      expect(await removeAll()).toEqual(nothing);
    },
  );
});

/** The QEMU processes that work in a store. */
async function processes(store: string): Promise<string[]> {
  const script = 'for p in /proc/[0-9]*; do readlink $p/cwd; done 2> /dev/null; true';
  const { output } = await call('sh', ['-c', script]);
  return output.split('\n').filter((path) => path.startsWith(store));
}

async function said(child: ChildProcess, word: string): Promise<void> {
  let text = '';
  if (child.stdout === null) throw new Error('the program is mute');
  for await (const chunk of child.stdout.iterator({ destroyOnReturn: false })) {
    text += String(chunk);
    if (text.includes(word)) return;
  }
  throw new Error(`the program ended with: ${text}`);
}
