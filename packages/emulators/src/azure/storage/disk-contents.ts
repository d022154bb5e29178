import { open } from 'node:fs/promises';

import { vhdFooter } from '@imgkit/core/local';

import { idKey } from '../resource-id.ts';
import type { BlobAccount } from './blob-account.ts';
import { footerBytes } from './vhd.ts';

/** The bytes of a disk: a fixed VHD that never changes, which several resources may share. */
interface Content {
  /** The container and name of its blob. */
  readonly blob: string;
  /** The size of the disk, in bytes. */
  readonly diskSize: number;
}

/** Where the emulator keeps bytes, in the account that it is given. */
const container = 'imgkit-emulator';

/** The bytes of disks, snapshots and image versions, as far as they come from blobs. */
export class DiskContents {
  readonly #account: BlobAccount;
  readonly #contents = new Map<string, Content>();
  /** The blobs that are read by somebody, by the key of their disk. */
  readonly #granted = new Map<string, string>();
  #serial = 0;
  #opened: Promise<void> | undefined;

  constructor(account: BlobAccount) {
    this.#account = account;
  }

  /** Copies the bytes of a blob, a fixed VHD: they are a resource's from now on. */
  async take(id: string, address: string): Promise<void> {
    const facts = await this.#account.facts(address);
    if (facts === undefined) throw new Error(`The blob ${address} is gone.`);
    const blob = await this.#newBlob();
    await this.#account.copy(address, this.#account.addressOf(blob));
    this.#contents.set(idKey(id), { blob, diskSize: facts.size - footerBytes });
  }

  /** Gives a resource the bytes of another one, if that has any. */
  share(id: string, source: string): void {
    const content = this.#contents.get(idKey(source));
    if (content !== undefined) this.#contents.set(idKey(id), content);
  }

  /**
   * Writes a resource's bytes to a new file: a fixed VHD.
   *
   * @returns false when it has none.
   */
  async save(id: string, path: string): Promise<boolean> {
    const content = this.#contents.get(idKey(id));
    if (content === undefined) return false;
    const file = await open(path, 'wx');
    try {
      await file.truncate(content.diskSize + footerBytes);
      for await (const { offset, bytes } of this.#account.pages(this.#addressOf(content)))
        await file.write(bytes, 0, bytes.length, offset);
    } finally {
      await file.close();
    }
    return true;
  }

  /** The size of the disk that a resource's bytes make, in bytes. */
  sizeOf(id: string): number | undefined {
    return this.#contents.get(idKey(id))?.diskSize;
  }

  /**
   * Lets anybody who has the address read a disk.
   *
   * @param diskSize - Its size in bytes, which may be larger than that of its bytes.
   */
  async grant(id: string, diskSize: number, seconds: number): Promise<string> {
    const content = this.#contents.get(idKey(id));
    const blob = await this.#newBlob();
    const address = this.#account.addressOf(blob);
    if (content?.diskSize === diskSize) await this.#account.copy(this.#addressOf(content), address);
    else {
      await this.#account.makePageBlob(address, diskSize + footerBytes);
      if (content !== undefined)
        for await (const { offset, bytes } of this.#account.pages(this.#addressOf(content)))
          if (offset < content.diskSize)
            await this.#account.write(
              address,
              offset,
              bytes.subarray(0, content.diskSize - offset),
            );
      await this.#account.write(address, diskSize, vhdFooter(diskSize));
    }
    this.#granted.set(idKey(id), blob);
    return this.#account.readable(blob, seconds);
  }

  /** Takes that back. */
  async revoke(id: string): Promise<void> {
    const blob = this.#granted.get(idKey(id));
    this.#granted.delete(idKey(id));
    if (blob !== undefined) await this.#account.remove(this.#account.addressOf(blob));
  }

  #addressOf({ blob }: Content): string {
    return this.#account.addressOf(blob);
  }

  async #newBlob(): Promise<string> {
    await (this.#opened ??= this.#account.makeContainer(container));
    this.#serial += 1;
    return `${container}/${process.pid}-${Date.now()}-${this.#serial}.vhd`;
  }
}
