import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CreateImageRequest } from '../../spec/capabilities/images.ts';
import type { Disk } from '../../spec/capabilities/disks.ts';
import type { MachineTemplate } from '../../spec/capabilities/instances.ts';
import { ownedKinds, type OwnedKind, type OwnedResource } from '../../spec/capabilities/owned.ts';
import type { Image } from '../../spec/image.ts';
import { ownershipLabels, type Labels } from '../../spec/labels.ts';
import type { Capabilities, CapabilityName, Provider } from '../../spec/provider.ts';
import type { ImageRef } from '../../spec/ref.ts';
import { collect, eventually } from './assertions.ts';
import type { ProviderWorld, SuiteTimeouts } from './world.ts';

/** One test of the suite: its provider, what it makes there, and the removal of it. */
export class Trial {
  readonly world: ProviderWorld;
  readonly provider: Provider;
  readonly timeouts: SuiteTimeouts;
  /** What everything of this test is labelled with. */
  readonly labels: Labels;
  readonly #id = randomUUID().slice(0, 8);
  readonly #made: { readonly provider: Provider; readonly kind: OwnedKind; readonly id: string }[] =
    [];
  readonly #directories: string[] = [];
  #count = 0;
  #usesConsumer = false;

  constructor(world: ProviderWorld, timeouts: SuiteTimeouts) {
    this.world = world;
    this.provider = world.provider;
    this.timeouts = timeouts;
    this.labels = { [ownershipLabels.run]: `conformance-${this.#id}` };
  }

  /** The provider of the other project. */
  get consumer(): Provider {
    const { consumer } = this.world;
    if (consumer === undefined) assert.fail('this world has no consumer');
    this.#usesConsumer = true;
    return consumer;
  }

  /** The provider of a third project. */
  get secondConsumer(): Provider {
    const { secondConsumer } = this.world;
    if (secondConsumer === undefined) assert.fail('this world has no second consumer');
    return secondConsumer;
  }

  /** A capability that this test is only registered with. */
  capability<C extends CapabilityName>(name: C): Capabilities[C] {
    const capability: Partial<Capabilities>[C] = this.provider[name];
    if (capability === undefined) assert.fail(`the provider has lost its ${name}`);
    return capability;
  }

  /** A name that nothing has. */
  name(): string {
    this.#count += 1;
    return `conf-${this.#id}-${this.#count}`;
  }

  /** An idempotency key that nothing was made with. */
  key(): string {
    return randomUUID();
  }

  /** An image request that works. */
  request(wishes: Partial<CreateImageRequest> = {}): CreateImageRequest {
    return {
      name: this.name(),
      source: this.world.source,
      ...wishes,
      labels: { ...this.labels, ...wishes.labels },
    };
  }

  /** Makes an image. */
  async image(wishes: Partial<CreateImageRequest> = {}): Promise<Image> {
    const image = await this.provider.images.create(this.request(wishes));
    this.track('image', image.ref.id);
    return image;
  }

  /** The reference to an image that was, and is no longer. */
  async goneImage(): Promise<ImageRef> {
    const { ref } = await this.image();
    await this.provider.images.delete(ref.id);
    return ref;
  }

  /** Makes an empty disk. */
  async disk(): Promise<Disk> {
    const disk = await this.capability('disks').create({
      name: this.name(),
      sizeBytes: this.diskSizeBytes,
      labels: this.labels,
    });
    this.track('disk', disk.id);
    return disk;
  }

  get diskSizeBytes(): number {
    return this.world.diskSizeBytes ?? 1_073_741_824;
  }

  /** Makes an image that machines can boot from. */
  async bootImage(): Promise<Image> {
    return this.image({ source: this.world.bootSource ?? this.world.source });
  }

  /** What machines of this test are made of. */
  template(image: ImageRef): MachineTemplate {
    const { machine } = this.world;
    return { ...machine, boot: { kind: 'image', image }, labels: this.labels };
  }

  /** Remembers what was made, so that it is removed even if it lost its labels. */
  track(kind: OwnedKind, id: string, provider: Provider = this.provider): void {
    this.#made.push({ provider, kind, id });
  }

  /** What carries the labels of this test. */
  owned(kind?: OwnedKind, provider: Provider = this.provider): Promise<OwnedResource[]> {
    return collect(provider.owned.list(this.labels)).then((all) =>
      kind === undefined ? all : all.filter((resource) => resource.kind === kind),
    );
  }

  /** Checks that nothing of this test stands, as soon as the cloud agrees. */
  async assertNothingLeft(what: string): Promise<void> {
    await eventually(this.timeouts.settle, async () => {
      const left = (await this.owned()).map(({ kind, name }) => `${kind} ${name}`);
      assert.deepEqual(left, [], `${what} must leave nothing behind`);
    });
  }

  /** A directory that goes with the test. */
  async directory(): Promise<string> {
    const directory = await mkdtemp(join(tmpdir(), 'imgkit-conformance-'));
    this.#directories.push(directory);
    return directory;
  }

  /** Removes all that the test made; throws if something stays. */
  async cleanUp(): Promise<void> {
    for (const directory of this.#directories)
      await rm(directory, { recursive: true, force: true });
    const providers = this.#usesConsumer ? [this.consumer, this.provider] : [this.provider];
    let found = 0;
    for (const provider of providers) {
      const labelled = await collect(provider.owned.list(this.labels));
      const tracked = this.#made.filter((made) => made.provider === provider);
      found += labelled.length + tracked.length;
      for (const kind of ownedKinds) {
        const ids = [...labelled, ...tracked].filter((one) => one.kind === kind);
        for (const id of new Set(ids.map((one) => one.id))) await provider.owned.delete(kind, id);
      }
    }
    // What was listed as nothing needn't be listed again.
    if (found > 0) await this.assertNothingLeft('the clean-up');
  }
}
