import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Line, Step } from './bake-program.fixture.ts';
import { OpenStackBakeWorld } from './support/openstack-bake-world.ts';
import { missing } from './support/openstack-world.ts';

// The recipe, the program and the machines of the other tests of baking; only the provider is another one: a real Nova.

const echo = (text: string): Step => ({ shell: { inline: [`echo ${text}`] } });
const printed = (lines: readonly Line[]) =>
  lines.flatMap((line) => (line.tells === 'event' && line.type === 'output' ? [line.message] : []));

describe.skipIf(missing !== undefined)(`a bake at an OpenStack ${missing ?? ''}`, () => {
  let world: OpenStackBakeWorld;
  beforeAll(async () => {
    world = await OpenStackBakeWorld.open('consumer-b');
  });
  afterEach(() => world.stopAll());
  afterAll(() => world[Symbol.asyncDispose]());

  it('makes a verified image of a real machine, as anywhere else', async () => {
    const { error, result, lines } = await world.bake({
      version: '1',
      provision: [
        { file: { content: 'settings\n', destination: '/etc/app.conf' } },
        echo('one'),
        { reboot: true },
        { shell: { inline: ['cat /etc/app.conf'] } },
      ],
      verify: [{ shell: { inline: ['cat /etc/app.conf'] } }],
    });
    expect(error).toBeUndefined();
    expect(result).toMatchObject({ name: 'app-1', reused: false });
    expect(printed(lines).filter((line) => line === 'settings')).toHaveLength(2);
    const [image, ...others] = await world.images();
    expect(others).toEqual([]);
    expect(image).toMatchObject({ name: 'app-1', family: 'app', version: '1', published: true });
    expect(await world.leftovers()).toEqual([]);
  }, 900_000);

  it('makes each thing once when it is killed between a request and its answer', async () => {
    const job = { version: '2', provision: [echo('two')], verify: [echo('checked')] };
    // Every kind of change is carried out once without an answer that arrives; then the program is no more.
    const survived = new Set<string>();
    let end;
    for (;;) {
      const lost = world.proxy.lose(survived);
      const program = world.start(job);
      const struck = await Promise.race([lost, program.ended]);
      if (typeof struck !== 'string') {
        end = struck;
        break;
      }
      survived.add(struck);
      program.kill();
      expect((await program.ended).killed).toBe(true);
    }
    expect(end.error).toBeUndefined();
    expect([...survived]).toEqual(
      expect.arrayContaining([
        'compute: POST /v2.1/os-keypairs keypair',
        'compute: POST /v2.1/servers server',
        'compute: DELETE /v2.1/os-keypairs/*',
        'compute: POST /v2.1/servers/*/action createImage',
        'compute: DELETE /v2.1/servers/*',
        'image: PATCH /v2/images/* /imgkit:unfinished',
        'image: PATCH /v2/images/* /imgkit:published',
        'image: PATCH /v2/images/* /imgkit:state',
      ]),
    );

    const images = await world.images();
    expect(images.map(({ name, published }) => `${name} ${published}`)).toEqual([
      'app-1 true',
      'app-2 true',
    ]);
    expect(images[0]?.deprecation).toMatchObject({
      state: 'DEPRECATED',
      replacement: { id: images[1]?.ref.id },
    });
    expect(await world.leftovers()).toEqual([]);
  }, 900_000);
});
