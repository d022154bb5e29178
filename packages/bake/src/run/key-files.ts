import { ImgkitError } from '@imgkit/core';
import { createHash } from 'node:crypto';
import { mkdir, open, readFile, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { generateSshKeyPair, type SshKeyPair } from '../communicator/ssh-keys.ts';

/** The keys of one run: to log in with, and to be known by. */
export interface RunKeys {
  readonly login: SshKeyPair;
  readonly host: SshKeyPair;
}

/**
 * Keeps the private keys of runs, so that a run can go on after a crash: in files that only this user can read, never in the journal. They
 * go when the run ends.
 */
export class KeyFiles {
  readonly #root: string;

  /** @param stateDirectory - The kit's. */
  constructor(stateDirectory: string) {
    this.#root = join(stateDirectory, 'bake-keys');
  }

  /** The file with the key to log in with. */
  loginFile(runId: string): string {
    return join(this.#directory(runId), 'login');
  }

  /** Makes the keys of a run, or finds them. */
  async make(runId: string): Promise<RunKeys> {
    const known = await this.#find(runId);
    if (known !== undefined) return known;
    const directory = this.#directory(runId);
    await mkdir(directory, { recursive: true, mode: 0o700 });
    for (const name of ['host', 'login'] as const) {
      const { privateKey, publicKey } = generateSshKeyPair(`imgkit ${name}`);
      await write(join(directory, `${name}.pub`), `${publicKey}\n`);
      await write(join(directory, name), privateKey);
    }
    await write(join(directory, 'run'), runId);
    return this.get(runId);
  }

  /** @throws {@link ImgkitError} `FAILED_PRECONDITION` when they are gone. */
  async get(runId: string): Promise<RunKeys> {
    const known = await this.#find(runId);
    if (known !== undefined) return known;
    throw new ImgkitError(
      'FAILED_PRECONDITION',
      `the keys of run "${runId}" are gone, so that its machines can't be reached any more`,
      {
        resource: this.#directory(runId),
        hint: 'Cancel the run, which removes its machines, and bake again.',
      },
    );
  }

  async remove(runId: string): Promise<void> {
    await rm(this.#directory(runId), { recursive: true, force: true });
  }

  /** The runs that have keys here: what a crash left behind as well. */
  async list(): Promise<readonly string[]> {
    const names = await readdir(this.#root).catch(() => []);
    const runs = await Promise.all(
      names.map((name) => readFile(join(this.#root, name, 'run'), 'utf8').catch(() => undefined)),
    );
    return runs.filter((id) => id !== undefined);
  }

  #directory(runId: string): string {
    return join(this.#root, createHash('sha256').update(runId).digest('hex').slice(0, 32));
  }

  async #find(runId: string): Promise<RunKeys | undefined> {
    const directory = this.#directory(runId);
    const read = async (name: string): Promise<SshKeyPair> => ({
      privateKey: await readFile(join(directory, name), 'utf8'),
      publicKey: (await readFile(join(directory, `${name}.pub`), 'utf8')).trim(),
    });
    try {
      // Written last, so that all is there when it is.
      await readFile(join(directory, 'run'));
      return { login: await read('login'), host: await read('host') };
    } catch {
      return undefined;
    }
  }
}

/** Whole or not at all, and on the disk. */
async function write(path: string, text: string): Promise<void> {
  const file = await open(`${path}.part`, 'w', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(`${path}.part`, path);
}
