import type { CallOptions } from '@imgkit/core';
import type { Readable } from 'node:stream';

/** What a command did. */
export interface ExecResult {
  /** The exit code; 128 + n when signal n ended it, as shells have it. */
  readonly exitCode: number;
  /** The last MiB of its standard output, when nobody listened to it. */
  readonly stdout: string;
  /** The last 64 KiB of its standard error. */
  readonly stderr: string;
}

/** How a command is run in a guest. */
export interface ExecOptions extends CallOptions {
  /** What the command reads; nothing by default. */
  readonly stdin?: string | Uint8Array | Readable | undefined;
  /** Run it as root, through sudo when the login isn't root's. */
  readonly asRoot?: boolean | undefined;
  /** Gets the standard output as it comes; it isn't collected then. */
  readonly onStdout?: ((chunk: Buffer) => void) | undefined;
}

/** Which file is put into the guest. */
export interface UploadRequest extends CallOptions {
  /** The content, or `{ path }` of a local file. */
  readonly content: string | Uint8Array | { readonly path: string };
  /** The absolute path in the guest; when it is a directory there, `name` in it. */
  readonly destination: string;
  /** The name in a directory; the local file's by default. */
  readonly name?: string | undefined;
  /** The permission bits, for example `0o755`. Default: `0o644`. */
  readonly mode?: number | undefined;
  /** Default: true. */
  readonly asRoot?: boolean | undefined;
}

/** Which file is fetched from the guest. */
export interface DownloadRequest extends CallOptions {
  /** The absolute path in the guest. */
  readonly source: string;
  /** The local path. */
  readonly destination: string;
  /** Default: true. */
  readonly asRoot?: boolean | undefined;
}

/**
 * How the guest is reached. {@link connectSsh} gives one over SSH; another may work on the disk of a machine that doesn't run.
 *
 * All methods throw {@link ImgkitError} `UNAVAILABLE` when the guest can't be reached any more, `CANCELLED`
 * when the signal was aborted.
 */
export interface Communicator extends AsyncDisposable {
  /** Whom it talks to, for messages: `root@127.0.0.1:2222`. */
  readonly peer: string;
  /** Whether the guest can still be reached. */
  readonly connected: boolean;
  /** Resolves when the guest can't be reached any more, whoever ended it. */
  readonly disconnected: Promise<void>;

  /** Runs a command line with the guest's `sh`. A command that fails is a result, not an error. */
  exec(command: string, options?: ExecOptions): Promise<ExecResult>;

  /**
   * Puts a file into the guest: first beside its place, then, when size and digest are right, moved to it.
   *
   * @throws {@link ImgkitError} `NOT_FOUND` for a local file that can't be read, `FAILED_PRECONDITION` when the guest can't take it.
   */
  upload(request: UploadRequest): Promise<void>;

  /**
   * Fetches a file from the guest, checked as {@link Communicator.upload} does.
   *
   * @throws {@link ImgkitError} `NOT_FOUND` when the guest has no such file.
   */
  download(request: DownloadRequest): Promise<void>;
}
