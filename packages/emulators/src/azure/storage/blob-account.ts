import { signAccount, signBlob } from './shared-access.ts';

/** Where the emulator finds blobs: Azurite, or an account of Azure Storage. */
export interface EmulatedBlobs {
  /** The address of the account's blob service: `http://127.0.0.1:10000/devstoreaccount1`. */
  readonly endpoint: string;
  /** The name of the account. */
  readonly account: string;
  /** One of its keys. */
  readonly key: string;
}

/** What is known of a blob. */
export interface BlobFacts {
  /** `PageBlob`, `BlockBlob` or `AppendBlob` */
  readonly kind: string;
  readonly size: number;
  /** `available`, `leased` and so on. */
  readonly lease: string;
}

const hour = 3_600_000;
const pieceBytes = 4 * 2 ** 20;
/** The pages of a list that have been written, from the first to the last byte. */
const ranges = /<PageRange>\s*<Start>(\d+)<\/Start>\s*<End>(\d+)<\/End>/g;

/** The blobs of one account. */
export class BlobAccount {
  readonly #blobs: EmulatedBlobs;
  readonly #endpoint: string;

  constructor(blobs: EmulatedBlobs) {
    this.#blobs = blobs;
    this.#endpoint = blobs.endpoint.replace(/\/+$/, '');
  }

  get name(): string {
    return this.#blobs.account;
  }

  /** The address of a blob, by its container and name. */
  addressOf(blob: string): string {
    return `${this.#endpoint}/${blob}`;
  }

  /** Whether an address is that of a blob of this account. */
  has(address: string): boolean {
    return address.startsWith(`${this.#endpoint}/`);
  }

  async facts(address: string): Promise<BlobFacts | undefined> {
    const { ok, headers } = await this.#send('HEAD', address);
    if (!ok) return undefined;
    return {
      kind: headers.get('x-ms-blob-type') ?? '',
      size: Number(headers.get('content-length') ?? 0),
      lease: headers.get('x-ms-lease-state') ?? 'available',
    };
  }

  /** Reads a part of a blob. */
  async read(address: string, offset: number, length: number): Promise<Buffer> {
    const range = `bytes=${offset}-${offset + length - 1}`;
    const answer = await this.#send('GET', address, { range });
    return Buffer.from(await answer.arrayBuffer());
  }

  /** What of a page blob has been written, in pieces of at most 4 MiB. */
  async *pages(
    address: string,
  ): AsyncGenerator<{ readonly offset: number; readonly bytes: Buffer }> {
    const listed = await this.#send('GET', `${address}?comp=pagelist`);
    for (const [, first, last] of (await listed.text()).matchAll(ranges))
      for (let offset = Number(first); offset <= Number(last); offset += pieceBytes) {
        const length = Math.min(pieceBytes, Number(last) + 1 - offset);
        yield { offset, bytes: await this.read(address, offset, length) };
      }
  }

  async makeContainer(name: string): Promise<void> {
    await this.#send('PUT', `${this.addressOf(name)}?restype=container`);
  }

  /** Copies a blob within the account. */
  async copy(from: string, to: string): Promise<void> {
    const source = `${from}?${this.#signature}`;
    await this.#must('PUT', to, { 'x-ms-copy-source': source });
  }

  async makePageBlob(address: string, size: number): Promise<void> {
    await this.#must('PUT', address, {
      'x-ms-blob-type': 'PageBlob',
      'x-ms-blob-content-length': String(size),
    });
  }

  /** Writes whole pages. */
  async write(address: string, offset: number, bytes: Uint8Array): Promise<void> {
    await this.#must(
      'PUT',
      `${address}?comp=page`,
      { 'x-ms-page-write': 'update', range: `bytes=${offset}-${offset + bytes.length - 1}` },
      bytes,
    );
  }

  async remove(address: string): Promise<void> {
    await this.#send('DELETE', address);
  }

  /** The address with which anybody can read a blob for some time. */
  readable(blob: string, seconds: number): string {
    const access = { permissions: 'r', expiresAt: Date.now() + seconds * 1000 };
    return `${this.addressOf(blob)}?${signBlob(this.#blobs, blob, access)}`;
  }

  get #signature(): string {
    return signAccount(this.#blobs, { permissions: 'rwdlc', expiresAt: Date.now() + hour });
  }

  async #must(
    method: string,
    address: string,
    headers: Readonly<Record<string, string>>,
    body?: Uint8Array,
  ): Promise<void> {
    const answer = await this.#send(method, address, headers, body);
    if (!answer.ok)
      throw new Error(`${method} ${address}: ${answer.status} ${await answer.text()}`);
  }

  async #send(
    method: string,
    address: string,
    headers: Readonly<Record<string, string>> = {},
    body?: Uint8Array,
  ): Promise<Response> {
    const url = `${address}${address.includes('?') ? '&' : '?'}${this.#signature}`;
    return fetch(url, {
      method,
      headers: { ...headers, 'x-ms-version': '2022-11-02' },
      ...(body === undefined ? {} : { body }),
    });
  }
}
