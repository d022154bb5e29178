import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';

import { ImgkitError } from '@imgkit/core';
import { z } from 'zod';

import { authConfig, cloudConfig, mergeConfig, type CloudConfig } from './cloud-config.ts';
import { likelyName } from './spelling.ts';

/** The variables a process was started with. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Where to look for the configuration of clouds. */
export interface CloudsFileOptions {
  /** The file; `$OS_CLIENT_CONFIG_FILE`, or the first found in the usual places, by default. */
  readonly file?: string | undefined;
  readonly environment: Environment;
  /** The directory to begin in. */
  readonly directory: string;
}

/** The clouds that are configured, by name. */
export interface CloudsFile {
  /** The file they came from; none when there is none. */
  readonly path: string | undefined;
  readonly clouds: Readonly<Record<string, CloudConfig>>;
}

const document = z.object({ clouds: z.record(z.string(), cloudConfig).nullish() });

/**
 * Reads `clouds.yaml`, with what `secure.yaml` adds to it, from where every OpenStack tool looks: the
 * directory one is in, `~/.config/openstack`, `/etc/openstack`. A profile that isn't ours is looked up in
 * `clouds-public.yaml`.
 *
 * @throws {@link ImgkitError} with `NOT_FOUND` if a file that was named isn't there, `INVALID_ARGUMENT` if one
 *   can't be understood.
 */
export async function readCloudsFile(options: CloudsFileOptions): Promise<CloudsFile> {
  const named = options.file ?? nonEmpty(options.environment['OS_CLIENT_CONFIG_FILE']);
  const path = named ?? (await firstOf(candidates('clouds.yaml', options)));
  if (path === undefined) return { path, clouds: {} };
  const open = await readDocument(path);
  if (open === undefined) {
    throw new ImgkitError('NOT_FOUND', `there is no file ${path}`, {
      resource: path,
      hint: 'Give the path of a clouds.yaml, or unset OS_CLIENT_CONFIG_FILE.',
    });
  }
  const secure =
    nonEmpty(options.environment['OS_CLIENT_SECURE_FILE']) ??
    (await firstOf([join(dirname(path), 'secure.yaml'), ...candidates('secure.yaml', options)]));
  const hidden = secure === undefined ? {} : ((await readDocument(secure)) ?? {});
  const clouds = { ...open };
  for (const [name, over] of Object.entries(hidden)) {
    clouds[name] = mergeConfig(clouds[name] ?? {}, over);
  }
  return { path, clouds };
}

function candidates(name: string, { environment, directory }: CloudsFileOptions): string[] {
  const configured = nonEmpty(environment['XDG_CONFIG_HOME']);
  const home = configured ?? join(environment['HOME'] ?? homedir(), '.config');
  return [directory, join(home, 'openstack'), '/etc/openstack'].map((parent) => join(parent, name));
}

async function firstOf(paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths) {
    if ((await readText(path)) !== undefined) return path;
  }
  return undefined;
}

async function readDocument(path: string): Promise<Record<string, CloudConfig> | undefined> {
  const text = await readText(path);
  if (text === undefined) return undefined;
  let content: unknown;
  // Who has no such file needs no parser.
  const { parse } = await import('yaml');
  try {
    content = parse(text);
  } catch {
    // The parser's message quotes the file, which may hold passwords.
    throw unreadable(path, 'it is no YAML');
  }
  checkKeys(path, content);
  const checked = document.safeParse(content ?? {});
  if (checked.success) return checked.data.clouds ?? {};
  const [issue] = checked.error.issues;
  throw unreadable(path, `${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'it is wrong'}`);
}

/** Other tools have more keys for a cloud than count here, but none that is nearly one of ours, and none for `auth`. */
function checkKeys(path: string, content: unknown): void {
  const clouds: unknown = Reflect.get(Object(content), 'clouds');
  for (const [cloud, config] of Object.entries(Object(clouds))) {
    for (const key of Object.keys(Object(config))) {
      const meant = likelyName(key, Object.keys(cloudConfig.shape));
      if (meant !== undefined)
        throw unreadable(path, `clouds.${cloud}.${key} is not known: is ${meant} meant?`);
    }
    const known = Object.keys(authConfig.shape);
    for (const key of Object.keys(Object(Reflect.get(Object(config), 'auth')))) {
      if (known.includes(key)) continue;
      const meant = likelyName(key, known);
      const instead = meant === undefined ? `known are ${known.join(', ')}` : `is ${meant} meant?`;
      throw unreadable(path, `clouds.${cloud}.auth.${key} is not known: ${instead}`);
    }
  }
}

async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const code: unknown = error instanceof Error ? Reflect.get(error, 'code') : undefined;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw unreadable(path, error instanceof Error ? error.message : String(error));
  }
}

function unreadable(path: string, why: string): ImgkitError {
  return new ImgkitError('INVALID_ARGUMENT', `${path} can't be used: ${why}`, {
    resource: path,
    hint: 'Write it as https://docs.openstack.org/openstacksdk/latest/user/config/configuration.html says.',
  });
}

/** A variable that is set to nothing counts as not set. */
export function nonEmpty(value: string | undefined): string | undefined {
  return value === '' ? undefined : value;
}
