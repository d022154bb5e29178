import { mkdir, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { ImgkitError } from './spec/errors.ts';

/**
 * Gives the directory in which imgkit keeps its state when nobody says otherwise: `$IMGKIT_HOME`, else
 * `$XDG_STATE_HOME/imgkit`, else `~/.local/state/imgkit`.
 */
export function defaultStateDirectory(
  environment: Readonly<Record<string, string | undefined>> = process.env,
): string {
  const { IMGKIT_HOME: home, XDG_STATE_HOME: state } = environment;
  if (home !== undefined && home !== '') return resolve(home);
  if (state !== undefined && state !== '') return join(resolve(state), 'imgkit');
  return join(homedir(), '.local', 'state', 'imgkit');
}

/**
 * Makes the state directory when it isn't there, for its owner's eyes only.
 *
 * @throws {@link ImgkitError} with `FAILED_PRECONDITION` if it can't be made, isn't a directory, or others may enter it.
 */
export async function openStateDirectory(path: string): Promise<string> {
  const directory = resolve(path);
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw new ImgkitError(
      'FAILED_PRECONDITION',
      `the state directory "${directory}" can't be made`,
      {
        resource: directory,
        hint: 'Set IMGKIT_HOME, or the option stateDirectory, to a directory that you may write to.',
        cause,
      },
    );
  }
  const { mode } = await stat(directory);
  if (process.platform !== 'win32' && (mode & 0o077) !== 0) {
    throw new ImgkitError(
      'FAILED_PRECONDITION',
      `others may enter the state directory "${directory}"`,
      {
        resource: directory,
        hint: `It must be yours alone: chmod 700 '${directory}'`,
      },
    );
  }
  return directory;
}
