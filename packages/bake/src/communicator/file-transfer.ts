import { ImgkitError } from '@imgkit/core';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { Readable } from 'node:stream';
import type { Communicator, DownloadRequest, UploadRequest } from './communicator.ts';
import { quote } from './shell-quote.ts';

// Small guests have no SFTP server, but every one has a shell: the data goes through `cat`, and nothing is
// trusted that hasn't the right size and digest.

const putScript = `
set -e
to=$1 name=$2 mode=$3 size=$4 sha=$5
if [ -d "$to" ]; then to=\${to%/}/$name; fi
dir=\${to%/*}; [ -d "\${dir:-/}" ] || mkdir -p "$dir"
part=$to.imgkit-part.$$
trap 'rm -f "$part"' EXIT
( umask 077; cat >"$part" )
set -- $(wc -c <"$part")
[ "$1" = "$size" ] || { echo "$1 of $size bytes arrived" >&2; exit 90; }
set -- $(sha256sum "$part")
[ "\${1#\\\\}" = "$sha" ] || { echo "the digest is $1" >&2; exit 90; }
chmod "$mode" "$part"
mv -f "$part" "$to"
trap - EXIT
`;

const getScript = `
[ -f "$1" ] && [ -r "$1" ] || exit 91
set -e
set -- "$1" $(wc -c <"$1") $(sha256sum <"$1")
echo "imgkit-file $2 $3"
cat "$1"
`;

/** {@link Communicator.upload} by means of {@link Communicator.exec}. */
export async function uploadOver(guest: Communicator, request: UploadRequest): Promise<void> {
  const { content, destination, signal } = request;
  checkAbsolute(destination);
  const file = await describe(content, signal);
  const name = request.name ?? file.name;
  const mode = (request.mode ?? 0o644).toString(8);
  const args = [destination, name, mode, String(file.size), file.sha256].map(quote).join(' ');
  const result = await guest.exec(`sh -c ${quote(putScript)} imgkit ${args}`, {
    stdin: file.stream(),
    asRoot: request.asRoot ?? true,
    signal,
  });
  if (result.exitCode === 0) return;
  throw new ImgkitError(
    'FAILED_PRECONDITION',
    `${guest.peer} could not take ${destination}: ${lastLine(result.stderr)}`,
    {
      operation: 'upload',
      resource: destination,
      hint: 'Is there space on the disk, and may the path be written?',
    },
  );
}

/** {@link Communicator.download} by means of {@link Communicator.exec}. */
export async function downloadOver(guest: Communicator, request: DownloadRequest): Promise<void> {
  const { source, destination } = request;
  checkAbsolute(source);
  await mkdir(dirname(destination), { recursive: true });
  const part = `${destination}.imgkit-part.${process.pid}`;
  const hash = createHash('sha256');
  try {
    const { exitCode, size, expected, stderr } = await receive(guest, request, part, hash);
    if (exitCode === 91)
      throw new ImgkitError('NOT_FOUND', `${guest.peer} has no readable file ${source}`, {
        operation: 'download',
        resource: source,
      });
    const digest = hash.digest('hex');
    if (exitCode !== 0 || expected !== `${size} ${digest}`)
      throw new ImgkitError(
        'UNAVAILABLE',
        `${source} did not arrive whole from ${guest.peer}: ${lastLine(stderr)}`,
        {
          operation: 'download',
          resource: source,
          hint: 'Was the file being written to?',
        },
      );
    await rename(part, destination);
  } finally {
    await rm(part, { force: true });
  }
}

interface Received {
  readonly exitCode: number;
  readonly size: number;
  /** `<size> <digest>` as the guest sees it. */
  readonly expected: string;
  readonly stderr: string;
}

async function receive(
  guest: Communicator,
  request: DownloadRequest,
  part: string,
  hash: ReturnType<typeof createHash>,
): Promise<Received> {
  const file = await open(part, 'w', 0o600);
  let header: string | undefined;
  let head = Buffer.alloc(0);
  let size = 0;
  let writing = Promise.resolve();
  const take = (bytes: Buffer) => {
    size += bytes.length;
    hash.update(bytes);
    writing = writing.then(() => file.writeFile(bytes));
  };
  try {
    const { exitCode, stderr } = await guest.exec(
      `sh -c ${quote(getScript)} imgkit ${quote(request.source)}`,
      {
        asRoot: request.asRoot ?? true,
        signal: request.signal,
        onStdout(chunk) {
          if (header !== undefined) return take(chunk);
          head = Buffer.concat([head, chunk]);
          // A login may print something of its own first.
          const start = head.indexOf('imgkit-file ');
          const end = start === -1 ? -1 : head.indexOf('\n', start);
          if (end === -1) return undefined;
          header = head.subarray(start + 'imgkit-file '.length, end).toString();
          return take(head.subarray(end + 1));
        },
      },
    );
    await writing;
    await file.sync();
    return { exitCode, size, expected: header ?? '', stderr };
  } finally {
    await writing.catch(() => undefined);
    await file.close();
  }
}

/** What is to be sent: its name, size and digest, and the bytes. */
async function describe(content: UploadRequest['content'], signal: AbortSignal | undefined) {
  if (typeof content === 'string' || content instanceof Uint8Array) {
    const bytes = Buffer.from(content);
    return {
      name: 'file',
      size: bytes.length,
      sha256: createHash('sha256').update(bytes).digest('hex'),
      stream: () => Readable.from(bytes.length === 0 ? [] : [bytes]),
    };
  }
  const { path } = content;
  try {
    const { size } = await stat(path);
    return {
      name: basename(path),
      size,
      sha256: await digestFile(path, signal),
      stream: () => createReadStream(path),
    };
  } catch (error) {
    throw new ImgkitError('NOT_FOUND', `the file ${path} can't be read`, {
      operation: 'upload',
      resource: path,
      cause: error,
    });
  }
}

/** The SHA-256 of a local file, in hexadecimal digits. */
export async function digestFile(path: string, signal?: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: 1024 * 1024, signal })) {
    if (chunk instanceof Buffer) hash.update(chunk);
  }
  return hash.digest('hex');
}

function checkAbsolute(path: string): void {
  if (!path.startsWith('/') || path.includes('\0'))
    throw new ImgkitError(
      'INVALID_ARGUMENT',
      `${JSON.stringify(path)} is not an absolute path in the guest`,
    );
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) ?? '';
}
