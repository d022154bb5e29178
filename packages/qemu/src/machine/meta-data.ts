import { ImgkitError, type GuestUserData, type HostKey } from '@imgkit/core';

/** What a machine is told at its first boot, over a NoCloud seed. */
export interface GuestSettings extends GuestUserData {
  /** Names this first boot: what cloud-init did for one instance id it doesn't do again. */
  readonly instanceId: string;
  readonly hostname: string;
  /** The SSH server's key: given, so that it is known from the first connection on. */
  readonly hostKey: HostKey;
  /** Plain data for programs in the guest. */
  readonly metadata?: Readonly<Record<string, string>> | undefined;
}

/** The NoCloud meta data of a machine. */
export function metaData(settings: GuestSettings): string {
  const lines = [
    `instance-id: ${JSON.stringify(settings.instanceId)}`,
    `local-hostname: ${hostname(settings.hostname)}`,
  ];
  const { metadata = {}, userData: theirs } = settings;
  // All of ours is on the disk, so cloud-init need not wait for the network; theirs may.
  if (theirs === undefined) lines.push('dsmode: local');
  if (Object.keys(metadata).length > 0) lines.push(`metadata: ${JSON.stringify(metadata)}`);
  return `${lines.join('\n')}\n`;
}

/** A host name, checked. */
export function hostname(name: string): string {
  if (!/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(name)) {
    throw new ImgkitError('INVALID_ARGUMENT', `${JSON.stringify(name)} is not a host name`, {
      hint: 'A host name has 1 to 63 lower-case letters, digits and hyphens.',
    });
  }
  return name;
}
