import { parseArgs } from 'node:util';

/** What the command line asks for. */
export interface Options {
  readonly command: 'run' | 'clean' | 'help';
  readonly verbose: boolean;
}

export const help = `Bakes two versions of a web server on this machine, publishes them to the family "web", deprecates the
first, and boots the head of the family in another project.

  npx -y pnpm@12.21.0 start [options]

  --verbose  show what the guests print
  --clean    stop what an earlier run left at work, and remove its machines; images stay
  --help     show this

The images are kept in $IMGKIT_QEMU_HOME (default: ~/.local/share/imgkit/qemu), the journal in $IMGKIT_HOME
(default: ~/.local/state/imgkit). What stands already is used again: remove both directories to start afresh.`;

/**
 * Reads the command line.
 *
 * @throws {@link TypeError} for an unknown option, with a message for people.
 */
export function readOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      verbose: { type: 'boolean', default: false },
      clean: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  const command = values.help ? 'help' : values.clean ? 'clean' : 'run';
  return { command, verbose: values.verbose };
}
