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
    if (content === undefined) await this.#account.makePageBlob(address, diskSize + footerBytes);
    else await this.#account.copy(this.#account.addressOf(content.blob), address);
    if (content?.diskSize !== diskSize) {
      if (content !== undefined) {
        await this.#account.resize(address, diskSize + footerBytes);
        await this.#account.clear(address, content.diskSize, footerBytes);
      }
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

  async #newBlob(): Promise<string> {
    await (this.#opened ??= this.#account.makeContainer(container));
    this.#serial += 1;
    return `${container}/${process.pid}-${Date.now()}-${this.#serial}.vhd`;
  }
}
