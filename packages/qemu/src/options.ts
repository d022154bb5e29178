import { homedir } from 'node:os';
import { join } from 'node:path';

import * as z from 'zod';

import { resourceName } from './resources/rules.ts';

const name = z.string().regex(resourceName.pattern, `must be ${resourceName.description}`);

/** The schema of {@link QemuOptions}. */
export const qemuOptions = z.strictObject({
  directory: z.string().min(1).optional(),
  project: name.optional(),
  accelerator: z.enum(['auto', 'kvm', 'tcg']).optional(),
  qemu: z.string().min(1).optional(),
});

/** How the QEMU provider is set up. */
export interface QemuOptions {
  /**
   * The directory of the store, for this user only. By default `$IMGKIT_QEMU_HOME`, else
   * `$XDG_DATA_HOME/imgkit/qemu`, else `~/.local/share/imgkit/qemu`. Providers with the same directory
   * see the same projects.
   */
  readonly directory?: string | undefined;
  /** The project it works in: a namespace of the store, `default` by default. */
  readonly project?: string | undefined;
  /**
   * How guest code is run. `auto`, the default, takes KVM if a guest was seen to boot with it, and TCG
   * otherwise. `$IMGKIT_QEMU_ACCELERATOR` replaces the default.
   */
  readonly accelerator?: 'auto' | 'kvm' | 'tcg' | undefined;
  /** The QEMU program; `qemu-system-x86_64` by default. */
  readonly qemu?: string | undefined;
}

/** {@link QemuOptions} with every default filled in. */
export interface QemuSettings {
  readonly directory: string;
  readonly project: string;
  /** Decides without a probe, when given. */
  readonly accelerator: 'kvm' | 'tcg' | undefined;
  readonly binary: string;
}

/** Fills in the defaults. */
export function settings(
  options: QemuOptions,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): QemuSettings {
  const accelerator = options.accelerator ?? environment['IMGKIT_QEMU_ACCELERATOR'];
  return {
    directory: options.directory ?? defaultDirectory(environment),
    project: options.project ?? 'default',
    accelerator: accelerator === 'kvm' || accelerator === 'tcg' ? accelerator : undefined,
    binary: options.qemu ?? 'qemu-system-x86_64',
  };
}

function defaultDirectory(environment: Readonly<Record<string, string | undefined>>): string {
  const own = environment['IMGKIT_QEMU_HOME'];
  if (own !== undefined && own !== '') return own;
  const data = environment['XDG_DATA_HOME'];
  const parent = data === undefined || data === '' ? join(homedir(), '.local', 'share') : data;
  return join(parent, 'imgkit', 'qemu');
}
