import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { ImgkitError, throwIfAborted } from '@imgkit/core';
import { runTool } from '@imgkit/core/local';

/** Where Debian's packages come from. */
export interface Mirror {
  readonly main: string;
  /** Where its security updates come from; without it they are left out. */
  readonly security?: string | undefined;
}

const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg';

/** The mirror to use: the one that was asked for, else this machine's own; none where that is no Debian. */
export async function chooseMirror(
  asked: string | undefined,
  directory = '/etc/apt',
): Promise<Mirror | undefined> {
  if (asked !== undefined) return { main: requireUrl(asked) };
  const found = sourceUrls(await readSources(directory));
  return found.main === undefined ? undefined : { ...found, main: found.main };
}

const source = (url: string, name: string): string =>
  `deb [arch=amd64 signed-by=${keyring}] ${url} ${name} main`;

/** The lines of a sources.list for `suite`; none without a mirror, so that mmdebstrap takes its own default. */
export function sourceLines(suite: string, mirror: Mirror | undefined): readonly string[] {
  if (mirror === undefined) return [];
  const lines = [source(mirror.main, suite)];
  if (mirror.security !== undefined && suite !== 'sid') {
    lines.push(
      source(mirror.main, `${suite}-updates`),
      source(mirror.security, `${suite}-security`),
    );
  }
  return lines;
}

/** Finds Debian's archive, and that of its security updates, among apt's sources in either format. */
export function sourceUrls(
  sources: string,
): Pick<Mirror, 'security'> & { readonly main: string | undefined } {
  const lines = sources
    .split('\n')
    .map((line) => /^\s*(?:URIs:\s*|deb\s+(?:\[[^\]]*\]\s+)?)(https?:\/\/\S+)/.exec(line)?.[1])
    .filter((url) => url !== undefined)
    .map((url) => url.replace(/\/+$/, ''));
  return {
    main: lines.find((url) => url.endsWith('/debian')),
    security: lines.find((url) => url.endsWith('/debian-security')),
  };
}

async function readSources(directory: string): Promise<string> {
  const parts = join(directory, 'sources.list.d');
  const names = await readdir(parts).catch(() => []);
  const files = names.filter((name) => /\.(list|sources)$/.test(name)).toSorted();
  const paths = [join(directory, 'sources.list'), ...files.map((name) => join(parts, name))];
  const texts = await Promise.all(paths.map((path) => readFile(path, 'utf8').catch(() => '')));
  return texts.join('\n');
}

/** What a package is fetched with. */
export interface Fetch {
  /** A directory for it, and for apt's own files. */
  readonly directory: string;
  readonly mirror: Mirror | undefined;
  readonly suite: string;
  readonly signal: AbortSignal | undefined;
}

const metapackage = 'linux-image-cloud-amd64';

/**
 * Downloads the package of Debian's current cloud kernel and gives its path.
 *
 * This machine's own package lists do if they know it. Those that are empty, outdated or of
 * another distribution don't, so then it is asked for with lists of our own, which any user may fetch.
 *
 * @throws `UNAVAILABLE` when the mirror can't be reached, `FAILED_PRECONDITION` when there is none to ask.
 */
export async function downloadKernel(fetch: Fetch): Promise<string> {
  try {
    return await download(fetch, ['-o', 'APT::Sandbox::User=root']);
  } catch (error) {
    throwIfAborted(fetch.signal, 'downloading a kernel');
    if (!ImgkitError.is(error)) throw error;
  }
  const { mirror } = fetch;
  if (mirror === undefined) {
    throw new ImgkitError('FAILED_PRECONDITION', 'this machine knows no mirror of Debian', {
      hint: 'Name one with the option mirror.',
    });
  }
  const options = await ownLists({ ...fetch, mirror });
  try {
    await runTool('apt-get', [...options, '-q', 'update'], { signal: fetch.signal });
    return await download(fetch, options);
  } catch (error) {
    throw mirrorError(error, mirror);
  }
}

async function download(fetch: Fetch, options: readonly string[]): Promise<string> {
  const { directory, signal } = fetch;
  const depends = await runTool('apt-cache', [...options, 'depends', metapackage], { signal });
  const name = /^\s*Depends: (linux-image-\S+-cloud-amd64)$/m.exec(depends)?.[1];
  if (name === undefined) {
    throw new ImgkitError('NOT_FOUND', `apt knows no kernel behind ${metapackage}`);
  }
  await runTool('apt-get', [...options, '-q', 'download', name], { cwd: directory, signal });
  const file = (await readdir(directory)).find((entry) => entry.startsWith(`${name}_`));
  if (file === undefined) throw new ImgkitError('PROTOCOL', `apt-get did not download ${name}`);
  return join(directory, file);
}

async function ownLists({
  directory,
  mirror,
  suite,
}: Fetch & { readonly mirror: Mirror }): Promise<readonly string[]> {
  const state = join(directory, 'apt');
  await mkdir(join(state, 'lists/partial'), { recursive: true });
  await mkdir(join(state, 'cache/archives/partial'), { recursive: true });
  const sources = join(state, 'sources.list');
  await writeFile(sources, `${sourceLines(suite, mirror).join('\n')}\n`);
  const settings = {
    'APT::Architecture': 'amd64',
    'APT::Sandbox::User': 'root',
    'Acquire::Languages': 'none',
    'Acquire::Retries': '3',
    'APT::Update::Error-Mode': 'any',
    'Debug::NoLocking': 'true',
    'Dir::Cache': join(state, 'cache'),
    'Dir::Etc::SourceList': sources,
    'Dir::Etc::SourceParts': '/dev/null',
    'Dir::State': state,
    'Dir::State::Lists': join(state, 'lists'),
    'Dir::State::status': '/dev/null',
  };
  return Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
}

const unreachable =
  /Could not (resolve|connect)|Failed to fetch|Unable to connect|Temporary failure|timed out|Connection (failed|refused)|Network is unreachable/;

/** Tells the failure of a mirror from that of a program. */
export function mirrorError(error: unknown, mirror: Mirror | undefined): unknown {
  const stderr: unknown = ImgkitError.is(error) ? error.data?.['stderr'] : undefined;
  if (typeof stderr !== 'string' || !unreachable.test(stderr)) return error;
  const name = mirror?.main ?? "of Debian's own";
  return new ImgkitError('UNAVAILABLE', `the package mirror ${name} did not answer`, {
    resource: mirror?.main,
    hint: 'Check the network, or name another mirror of Debian with the option mirror.',
    data: { stderr },
    cause: error,
  });
}

function requireUrl(mirror: string): string {
  if (/^(https?|file):\/\/[^\s]+$/.test(mirror)) return mirror.replace(/\/+$/, '');
  throw new ImgkitError('INVALID_ARGUMENT', `${JSON.stringify(mirror)} is not a package mirror`, {
    hint: 'Give its URL, which begins with http://, https:// or file:// and ends with /debian.',
  });
}
