/** One entry of an archive. */
export interface ArchiveEntry {
  /** Its path, without a slash in front. */
  readonly path: string;
  /** The file's content; a link's target; nothing for a directory. */
  readonly content?: Buffer | string | undefined;
  readonly type: 'file' | 'directory' | 'link';
  /** Permissions. */
  readonly mode?: number | undefined;
}

const typeBits = { file: 0o100000, directory: 0o040000, link: 0o120000 } as const;

/** Packs `entries`, all of root, as the `newc` cpio archive that Linux takes as an initramfs. */
export function newcArchive(entries: readonly ArchiveEntry[]): Buffer {
  const parts = entries.map((entry, index) => packEntry(entry, index + 1));
  const end = packEntry({ path: 'TRAILER!!!', type: 'file', mode: 0 }, 0);
  return Buffer.concat([...parts, end]);
}

function packEntry(
  { path, content = '', type, mode = 0o755 }: ArchiveEntry,
  inode: number,
): Buffer {
  const data = Buffer.from(content);
  const name = Buffer.from(`${path}\0`);
  const links = type === 'directory' ? 2 : 1;
  const fields = [inode, typeBits[type] | mode, 0, 0, links, 0, data.length];
  const numbers = [...fields, 0, 0, 0, 0, name.length, 0];
  const header = `070701${numbers.map((number) => number.toString(16).padStart(8, '0')).join('')}`;
  return Buffer.concat([aligned(Buffer.concat([Buffer.from(header), name])), aligned(data)]);
}

function aligned(data: Buffer): Buffer {
  return Buffer.concat([data, Buffer.alloc(-data.length & 3)]);
}
