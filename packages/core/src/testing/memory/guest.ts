import type { LaunchRequest } from '../../spec/capabilities/instances.ts';

/** A machine that has just been switched on, as the software in it sees it. */
export interface MemoryMachine {
  /** The instance's id. */
  readonly id: string;
  /** The instance's name. */
  readonly name: string;
  /** What it was launched with: keys, metadata, startup script. */
  readonly request: LaunchRequest;
  /** Differs at every boot. A resumed machine (see {@link MemoryMachine.resumed}) has one of its own too. */
  readonly bootId: string;
  /** Whether it was resumed from a warm start instead of booted. */
  readonly resumed: boolean;
  /** Reads what is on the boot disk: what was written, without the zeros up to the disk's size. */
  read(): Uint8Array;
  /** Replaces what is on the boot disk. */
  write(data: Uint8Array): void;
  /** Prints on the console. */
  print(text: string): void;
  /** Switches the machine off from inside. */
  powerOff(): void;
}

/** The software in a machine. Every part may be left out. */
export interface MemoryGuest {
  /** Where one of the guest's TCP ports really listens; a made-up loopback port by default. */
  endpoint?(port: number): { readonly host?: string; readonly port: number } | undefined;
  /** Shuts down in an orderly way; the machine is off when it resolves. */
  shutDown?(): Promise<void>;
  /** Writes out what it holds in memory. */
  flush?(): Promise<void>;
  /** The plug was pulled, or the machine is off. */
  ended?(): void;
}

/** Makes the software for a machine that has been switched on. */
export type MemoryGuestFactory = (machine: MemoryMachine) => MemoryGuest | Promise<MemoryGuest>;
