import type { Architecture } from '@imgkit/core';

/** What Google counts disks in, in bytes: its GB are GiB. */
export const gib = 2 ** 30;

const architectures: Readonly<Record<string, Architecture>> = { X86_64: 'x86_64', ARM64: 'arm64' };

/** A processor by Google's name; nothing for one that isn't known. */
export function toArchitecture(name: string | undefined): Architecture | undefined {
  return architectures[name ?? ''];
}

/** An instant as everywhere else: in UTC. Google writes that of its own coast. */
export function toInstant(timestamp: string | undefined): string {
  const ms = Date.parse(timestamp ?? '');
  return new Date(Number.isNaN(ms) ? 0 : ms).toISOString();
}
