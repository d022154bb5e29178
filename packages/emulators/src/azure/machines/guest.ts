/** A command that is run in a guest. */
export interface EmulatedGuestCommand {
  /** The id of its machine. */
  readonly id: string;
  readonly script: string;
}

/** What a command in a guest gave. */
export interface EmulatedGuestOutput {
  readonly stdout?: string | undefined;
  readonly stderr?: string | undefined;
  /** What is printed on the machine's console. */
  readonly console?: string | undefined;
  /** Whether the guest powers its machine off then. */
  readonly powersOff?: boolean | undefined;
}

/** What guests are where no real machines are behind them. */
export type EmulatedGuest = (
  command: EmulatedGuestCommand,
) => EmulatedGuestOutput | Promise<EmulatedGuestOutput>;
