import { randomBytes } from 'node:crypto';

import { describe, expect, it, onTestFinished } from 'vitest';

import { proxied } from './machine-world.ts';
import { diskFile, kitOf, missing, providerOf, scratch } from './openstack.ts';

/** An image that nothing uses, of a provider any of whose services can refuse. */
async function world() {
  const services = {
    image: await proxied('image'),
    compute: await proxied('compute'),
    volumev3: await proxied('volumev3'),
  };
  const options = Object.values(services).map((one) => one.options);
  const kit = await kitOf(providerOf('images', Object.assign({}, ...options)));
  const name = `t-${randomBytes(4).toString('hex')}`;
  const source = { kind: 'file', file: await diskFile(`${await scratch()}/disk.raw`) } as const;
  const { images, usage } = kit.providers.require('images', 'usage');
  const { ref } = await images.create({ name, source, labels: { run: name } });
  onTestFinished(async () => images.delete(ref.id));
  return {
    services,
    kit,
    images,
    usage,
    ref,
    selection: { provider: 'images', labels: { run: name } },
  };
}

describe.skipIf(missing !== undefined)(
  'an image of which a service doesn’t tell who uses it',
  () => {
    it.for([
      ['compute', /\/servers\/detail/, 'servers'],
      ['volumev3', /\/volumes\/detail/, 'volumes'],
      // By what belongs to it, not by the list that the images to delete are chosen from.
      ['image', /imgkit%3Akind=machine-image/, 'images'],
    ] as const)('is not deleted: %s answers 403', async ([service, path, what]) => {
      const { services, kit, images, usage, ref, selection } = await world();
      expect((await usage.of(ref.id)).complete, 'else').toBe(true);
      const plan = await kit.deletion.plan(selection);
      expect(plan.items).toMatchObject([{ decision: 'delete' }]);

      const refusal = { method: 'GET', path, trouble: { status: 403 } } as const;
      services[service].proxy.fail({ ...refusal, times: 3 });
      expect(await usage.of(ref.id)).toMatchObject({
        complete: false,
        unanswered: [expect.stringMatching(new RegExp(`^${what}: .*403`))],
      });
      // Neither by a plan of now, nor by one of before.
      expect((await kit.deletion.plan(selection)).items).toMatchObject([{ decision: 'keep' }]);
      expect(await kit.deletion.execute(plan)).toMatchObject([
        { outcome: 'kept', reasons: [expect.stringContaining(what)] },
      ]);
      expect(services[service].proxy.pending()).toBe(0);
      expect(await images.get(ref.id)).toMatchObject({ status: 'READY' });
    });
  },
);
