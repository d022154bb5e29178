import assert from 'node:assert/strict';
import type { Instance, MachineTemplate } from '../../../spec/capabilities/instances.ts';
import { assertInstant, assertRefused, collect, eventually } from '../assertions.ts';
import type { ConformanceTopic } from '../topic.ts';
import type { Trial } from '../trial.ts';
import { checkIdempotency } from './idempotency.ts';
import { badNames } from './images.ts';

/** Launches a machine of an image. */
export async function launch(
  trial: Trial,
  wishes: Pick<MachineTemplate, 'disks'> = {},
): Promise<Instance> {
  const image = await trial.bootImage();
  const request = { ...trial.template(image.ref), ...wishes, name: trial.name() };
  const instance = await trial.capability('instances').launch(request);
  trial.track('instance', instance.id);
  return instance;
}

export const instances: ConformanceTopic = {
  name: 'instances',
  cases: [
    {
      title: 'are launched, once for one key, and found, and deleted with their disks',
      needs: ['instances'],
      machines: true,
      async run(trial) {
        const { provider, labels } = trial;
        const control = trial.capability('instances');
        const image = await trial.bootImage();
        const metadata = { role: 'conformance' };
        const template = { ...trial.template(image.ref), metadata };
        const id = await checkIdempotency(trial, {
          kind: 'instance',
          make: (name, idempotencyKey) => control.launch({ ...template, name, idempotencyKey }),
        });
        const instance = await control.get(id);
        assert.equal(instance.status, 'RUNNING');
        assert.deepEqual({ ...instance.labels }, { ...labels });
        assert.equal(instance.metadata['role'], metadata.role);
        assert.ok(instance.machineType.length > 0, 'machineType must be there');
        assertInstant(instance.createdAt, 'createdAt');
        if (instance.image !== undefined) assert.deepEqual(instance.image, image.ref);
        const boots = instance.disks.filter(({ boot }) => boot);
        assert.equal(boots.length, 1, 'it boots from one disk');
        assert.ok((boots[0]?.sizeBytes ?? 0) >= image.diskSizeBytes, 'no smaller than the image');
        for (const filter of [{ name: instance.name }, { labels }]) {
          const found = await collect(control.list(filter));
          assert.deepEqual(
            found.map((one) => one.id),
            [id],
            JSON.stringify(filter),
          );
        }
        await checkReach(trial, instance);
        await checkInUse(trial, boots[0]?.id ?? '', id);
        if (provider.usage !== undefined) {
          const { users } = await provider.usage.of(image.ref.id);
          const kinds = users.filter((one) => one.id === id).map(({ kind }) => kind);
          assert.deepEqual(kinds, ['instance'], 'the instance uses the image');
        }

        await control.delete(id);
        await control.delete(id);
        await assertRefused(provider, control.get(id), 'NOT_FOUND');
        await eventually(trial.timeouts.settle, async () => {
          const left = (await trial.owned()).map(({ kind }) => kind);
          assert.deepEqual(left, ['image'], 'its disks must go with it');
        });
      },
    },
    {
      title: 'are stopped, captured and started again, as often as one likes',
      needs: ['instances'],
      machines: true,
      async run(trial) {
        const { provider } = trial;
        const control = trial.capability('instances');
        const data = provider.disks === undefined ? undefined : await trial.disk();
        const extra =
          data === undefined ? [] : [{ disk: data.id }, { sizeBytes: trial.diskSizeBytes }];
        const { id, disks } = await launch(trial, { disks: extra });
        assert.equal(disks.length, 1 + extra.length, 'the boot disk and the others');
        if (data !== undefined) await checkInUse(trial, data.id, id);
        assert.equal((await control.start(id)).status, 'RUNNING', 'starting a running one');
        const source = { kind: 'instance', instance: id } as const;
        const captures = provider.images.traits.sources.includes('instance');
        if (captures) {
          const create = provider.images.create(trial.request({ source }));
          await assertRefused(provider, create, 'FAILED_PRECONDITION');
        }
        assert.equal((await control.stop(id, { graceMs: 0 })).status, 'STOPPED');
        assert.equal((await control.stop(id, { graceMs: 0 })).status, 'STOPPED', 'again');
        assert.equal((await control.get(id)).status, 'STOPPED');
        await assertRefused(provider, control.endpoint(id), 'FAILED_PRECONDITION');
        if (captures) assert.equal((await trial.image({ source })).status, 'READY');
        assert.equal((await control.start(id)).status, 'RUNNING');
        await control.delete(id);
        for (const call of [
          () => control.start(id),
          () => control.stop(id),
          () => control.endpoint(id),
        ]) {
          await assertRefused(provider, call, 'NOT_FOUND');
        }
        if (data !== undefined) {
          const kept = await trial.capability('disks').get(data.id);
          assert.deepEqual(kept.instances, [], 'a disk that stood before stays, and is free');
        }
      },
    },
    {
      title: 'aren’t launched with bad wishes, or from what isn’t there',
      needs: ['instances'],
      async run(trial) {
        const { provider } = trial;
        const control = trial.capability('instances');
        const image = await trial.bootImage();
        const good = trial.template(image.ref);
        for (const name of badNames(control.traits.instanceName)) {
          await assertRefused(provider, control.launch({ ...good, name }), 'INVALID_ARGUMENT');
        }
        const { userData: _, startupScript: __, ...plain } = good;
        for (const wish of [
          { bootDiskSizeBytes: image.diskSizeBytes - 1 },
          { userData: '#cloud-config\n', startupScript: '#!/bin/sh\n' },
          { expiresAt: 'soon' },
        ]) {
          const request = { ...plain, ...wish, name: trial.name() };
          await assertRefused(provider, control.launch(request), 'INVALID_ARGUMENT');
        }
        await provider.images.delete(image.ref.id);
        const missing = control.launch({ ...good, name: trial.name() });
        await assertRefused(provider, missing, 'NOT_FOUND');
        await trial.assertNothingLeft('a refused request');
      },
    },
    {
      title: 'aren’t launched from OBSOLETE images',
      needs: ['instances', 'deprecation'],
      unless: ({ provider }) =>
        provider.deprecation?.traits.enforcesObsolete === true
          ? undefined
          : 'the cloud doesn’t enforce OBSOLETE',
      async run(trial) {
        const { ref } = await trial.bootImage();
        await trial.capability('deprecation').set(ref.id, { state: 'OBSOLETE' });
        const request = { ...trial.template(ref), name: trial.name() };
        const refused = trial.capability('instances').launch(request);
        await assertRefused(trial.provider, refused, 'IMAGE_OBSOLETE');
        const kinds = (await trial.owned()).map(({ kind }) => kind);
        assert.deepEqual(kinds, ['image'], 'nothing may be begun');
      },
    },
  ],
};

async function checkReach(trial: Trial, { id }: Instance): Promise<void> {
  const { provider } = trial;
  const control = trial.capability('instances');
  if (control.traits.console) {
    const text = await control.console(id);
    assert.equal(typeof text, 'string');
    const end = await control.console(id, { maxBytes: 10 });
    assert.ok(Buffer.byteLength(end) <= 10, 'no more of the console than asked for');
  } else await assertRefused(provider, control.console(id), 'UNSUPPORTED');
  const { host, port } = await control.endpoint(id);
  assert.ok(host.length > 0 && Number.isInteger(port) && port > 0 && port < 65_536);
  await assertRefused(provider, control.endpoint(id, 64_999), 'FAILED_PRECONDITION');
}

async function checkInUse({ provider }: Trial, disk: string, instance: string): Promise<void> {
  if (provider.disks === undefined) return;
  assert.deepEqual((await provider.disks.get(disk)).instances, [instance]);
  await assertRefused(provider, provider.disks.delete(disk), 'IN_USE');
}
