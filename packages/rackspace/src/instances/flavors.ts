import { ImgkitError, type CallOptions, type MachineTemplate } from '@imgkit/core';

import type { Nova } from '../nova/nova.ts';
import type { NovaFlavor } from '../nova/nova-server.ts';
import { invalid } from '../resources/rules.ts';

/** What a flavor must have at least. */
export interface FlavorNeeds {
  /** The flavor's name or id, or what a machine shall have. */
  readonly machineType: MachineTemplate['machineType'];
  /** What the boot disk has to hold, in bytes; nothing where it is a volume. */
  readonly diskBytes?: number | undefined;
  /** What the image asks for, in MiB. */
  readonly leastMemoryMib?: number | undefined;
}

const gib = 2 ** 30;
const mib = 2 ** 20;
/** What machines are when nobody says. */
const defaultWish = { cpus: 1, memoryBytes: 512 * mib };
/** For how long flavors that were seen are believed, in milliseconds: they hardly ever change. */
const freshMs = 60_000;

/** The flavors of one cloud, asked for once in a while. */
export class Flavors {
  readonly #nova: Nova;
  readonly #now: () => number;
  readonly #single = new Map<string, Promise<NovaFlavor | undefined>>();
  #all: { readonly at: number; readonly flavors: Promise<readonly NovaFlavor[]> } | undefined;

  constructor(nova: Nova, now: () => number) {
    this.#nova = nova;
    this.#now = now;
  }

  /** The flavor of an id, which keeps its meaning as long as the flavor stands. */
  async find(id: string, options?: CallOptions): Promise<NovaFlavor | undefined> {
    const known = this.#single.get(id) ?? this.#ask(id, options);
    this.#single.set(id, known);
    return known;
  }

  /**
   * The flavor that was named, or the smallest that has enough.
   *
   * @throws `INVALID_ARGUMENT` when there is none, or the named one is too small for the boot disk.
   */
  async choose(needs: FlavorNeeds, options?: CallOptions): Promise<NovaFlavor> {
    const { machineType: wish = defaultWish } = needs;
    const flavors = await this.#list(options);
    const named = typeof wish === 'string' ? findNamed(flavors, wish) : undefined;
    if (named !== undefined) {
      if (holdsDisk(named, needs)) return named;
      throw invalid(
        `flavor "${named.name}" has a disk of ${named.disk} GiB, which is too small`,
        'Name a larger flavor, give cpus and memoryBytes, or boot from a volume (providerOptions.bootVolume).',
      );
    }
    if (typeof wish === 'string')
      throw invalid(`there is no flavor "${wish}"`, `There are ${namesOf(flavors)}.`);
    const { cpus, memoryBytes } = wish;
    if (
      !(cpus > 0 && Number.isSafeInteger(cpus) && memoryBytes > 0 && Number.isFinite(memoryBytes))
    )
      throw invalid(
        `${cpus} CPUs and ${memoryBytes} bytes of memory are no machine`,
        'Give numbers above 0.',
      );
    const memory = Math.max(Math.ceil(memoryBytes / mib), needs.leastMemoryMib ?? 0);
    const [smallest] = flavors
      .filter(
        (flavor) =>
          flavor['OS-FLV-DISABLED:disabled'] !== true &&
          flavor.vcpus >= cpus &&
          flavor.ram >= memory &&
          // By default only administrators may use a flavor without a disk for anything but volumes.
          (needs.diskBytes === undefined || flavor.disk > 0) &&
          holdsDisk(flavor, needs),
      )
      .toSorted((a, b) => a.vcpus - b.vcpus || a.ram - b.ram || a.disk - b.disk);
    if (smallest !== undefined) return smallest;
    const disk = needs.diskBytes === undefined ? '' : ` and a disk of ${needs.diskBytes} bytes`;
    throw invalid(
      `no flavor has ${cpus} CPUs, ${memory} MiB of memory${disk}`,
      `There are ${namesOf(flavors)}.`,
    );
  }

  async #ask(id: string, options?: CallOptions): Promise<NovaFlavor | undefined> {
    try {
      return await this.#nova.flavor(id, options);
    } catch (error) {
      // A flavor may be deleted while its servers live.
      if (ImgkitError.is(error, 'NOT_FOUND')) return undefined;
      this.#single.delete(id);
      throw error;
    }
  }

  #list(options?: CallOptions): Promise<readonly NovaFlavor[]> {
    if (this.#all !== undefined && this.#now() - this.#all.at < freshMs) return this.#all.flavors;
    const flavors = this.#nova.flavors(options).catch((error: unknown) => {
      this.#all = undefined;
      throw error;
    });
    this.#all = { at: this.#now(), flavors };
    return flavors;
  }
}

function findNamed(flavors: readonly NovaFlavor[], wish: string): NovaFlavor | undefined {
  return flavors.find(({ id }) => id === wish) ?? flavors.find(({ name }) => name === wish);
}

/** A disk of 0 GiB is as large as the image. */
function holdsDisk({ disk }: NovaFlavor, { diskBytes }: FlavorNeeds): boolean {
  return diskBytes === undefined || disk === 0 || disk * gib >= diskBytes;
}

function namesOf(flavors: readonly NovaFlavor[]): string {
  const names = flavors.map(
    ({ name, vcpus, ram, disk }) => `${name} (${vcpus} CPUs, ${ram} MiB, ${disk} GiB)`,
  );
  return names.length === 0 ? 'none' : names.slice(0, 20).join(', ');
}
