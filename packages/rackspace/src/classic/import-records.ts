import { randomUUID } from 'node:crypto';

import { ImgkitError, type CallOptions } from '@imgkit/core';
import { formatProcess, parseProcess, systemProcesses } from '@imgkit/core/local';
import { z } from 'zod';

import { readJson } from '../http/transport.ts';
import type { Swift } from '../swift/swift.ts';

const record = z.object({
  /** Who claimed it: a claim whose answer was lost is known by it. */
  claim: z.string(),
  /** The process that makes the image. */
  maker: z.string(),
  /** When it was begun, as an ISO 8601 instant. */
  createdAt: z.string(),
  /** What the image shall be called. */
  name: z.string(),
  /** What it shall have beside. */
  properties: z.record(z.string(), z.string()),
  /** The size of the disk, in bytes, once it is known. */
  diskBytes: z.number().optional(),
  /** The task that makes it, once there is one. */
  task: z.string().optional(),
});

/** What is known of an image that is being imported. Any process can go on from it. */
export type ImportRecord = z.infer<typeof record>;

const folder = 'imports/';

/**
 * Keeps what is known of images that are being imported, in the container of their disks: the cloud takes nothing
 * but a name for an image that it imports, so that only this says whose it is, and what it shall become.
 *
 * Each has a folder: `record.json`, `disk.vhd`, and the segments that the disk is put together from.
 */
export class ImportRecords {
  readonly container: string;
  readonly #swift: Swift;

  constructor(swift: Swift, container: string) {
    this.#swift = swift;
    this.container = container;
  }

  /** The folder of an import. */
  folder(digest: string): string {
    return `${folder}${digest}/`;
  }

  /** The disk of an import, as tasks name it. */
  disk(digest: string): string {
    return `${this.container}/${this.folder(digest)}disk.vhd`;
  }

  /**
   * Begins a record, if there is none; tells whether it did. Of two that do so at the same time, one does.
   */
  async claim(
    digest: string,
    begun: Pick<ImportRecord, 'name' | 'properties' | 'createdAt'>,
    options?: CallOptions,
  ): Promise<boolean> {
    const claim = randomUUID();
    const mine = { ...begun, claim, maker: thisProcess() };
    await this.#swift.makeContainer(this.container, options);
    try {
      await this.#write(digest, mine, { onlyNew: true, ...options });
      return true;
    } catch (error) {
      if (ImgkitError.is(error, 'ALREADY_EXISTS')) return false;
      // The answer was lost, or the call.
      if (!ImgkitError.is(error, 'UNAVAILABLE') && !ImgkitError.is(error, 'TIMEOUT')) throw error;
      const standing = await this.read(digest, options);
      if (standing === undefined) throw error;
      return standing.claim === claim;
    }
  }

  /** Goes on with what another process has left. */
  async takeOver(digest: string, known: ImportRecord, options?: CallOptions): Promise<void> {
    await this.#write(digest, { ...known, maker: thisProcess() }, options);
  }

  /** Notes how far it has come. */
  async note(
    digest: string,
    news: Pick<ImportRecord, 'task' | 'diskBytes'>,
    options?: CallOptions,
  ): Promise<void> {
    const known = await this.read(digest, options);
    if (known !== undefined) await this.#write(digest, { ...known, ...news }, options);
  }

  async read(digest: string, options?: CallOptions): Promise<ImportRecord | undefined> {
    const name = this.#name(digest);
    const response = await this.#swift.get(this.container, name, options);
    if (response === undefined) return undefined;
    const parsed = record.safeParse(readJson(response, name));
    // Whatever else stands there is none of ours.
    return parsed.success ? parsed.data : undefined;
  }

  /** The digests of all imports that were begun and not ended. */
  async *list(options?: CallOptions): AsyncGenerator<string, void, undefined> {
    const below = { prefix: folder, delimiter: '/' };
    for await (const { name } of this.#swift.list(this.container, below, options))
      if (name.endsWith('/')) yield name.slice(folder.length, -1);
  }

  /** When anything of an import was written last, as an ISO 8601 instant; empty when nothing is there. */
  async lastChange(digest: string, options?: CallOptions): Promise<string> {
    let last = '';
    const below = { prefix: this.folder(digest) };
    for await (const { modifiedAt } of this.#swift.list(this.container, below, options))
      if (modifiedAt > last) last = modifiedAt;
    return last;
  }

  /** Removes all that an import has put there, the record last. */
  async remove(digest: string, options?: CallOptions): Promise<void> {
    const own = this.#name(digest);
    const names: string[] = [];
    const below = { prefix: this.folder(digest) };
    for await (const { name } of this.#swift.list(this.container, below, options)) names.push(name);
    await Promise.all(
      names.map(async (name) => {
        if (name !== own) await this.#swift.remove(this.container, name, options);
      }),
    );
    await this.#swift.remove(this.container, own, options);
  }

  #name(digest: string): string {
    return `${this.folder(digest)}record.json`;
  }

  async #write(
    digest: string,
    content: ImportRecord,
    options?: CallOptions & { readonly onlyNew?: boolean },
  ): Promise<void> {
    const bytes = new TextEncoder().encode(JSON.stringify(content));
    await this.#swift.put(this.container, this.#name(digest), bytes, options);
  }
}

/** Whether the process that makes an image lives; `undefined` when that can't be told from here. */
export function isAlive({ maker }: Pick<ImportRecord, 'maker'>): boolean | undefined {
  const known = parseProcess(maker);
  return known && systemProcesses.isAlive(known);
}

function thisProcess(): string {
  return formatProcess(systemProcesses.self());
}
