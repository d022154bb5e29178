import { ImgkitError } from '@imgkit/core';
import { clean } from './clean.ts';
import { job } from './job.ts';
import { help, readOptions } from './options.ts';
import { Screen } from './screen.ts';

process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  let options;
  try {
    options = readOptions(args);
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n\n${help}`);
    return 2;
  }
  if (options.command === 'help') {
    console.log(help);
    return 0;
  }
  using screen = new Screen();
  const controller = new AbortController();
  const interrupt = (name: NodeJS.Signals): void => {
    if (controller.signal.aborted) {
      screen.line(
        'Leaving at once. Clean up later with: npx -y pnpm@12.21.0 start --clean (or start again: it goes on).',
      );
      process.exit(130);
    }
    screen.line(`${name}: stopping and cleaning up. Once more leaves at once.`);
    controller.abort(new ImgkitError('CANCELLED', `interrupted by ${name}`));
  };
  process.on('SIGINT', interrupt);
  process.on('SIGTERM', interrupt);
  try {
    const work = options.command === 'clean' ? clean : job;
    await work({ screen, signal: controller.signal, verbose: options.verbose });
    return 0;
  } catch (error) {
    if (controller.signal.aborted) {
      screen.line('Stopped: every machine is removed, finished images stay. Start again to go on.');
      return 130;
    }
    report(screen, error);
    return 1;
  } finally {
    process.off('SIGINT', interrupt);
    process.off('SIGTERM', interrupt);
  }
}

function report(screen: Screen, error: unknown): void {
  if (!ImgkitError.is(error)) throw error;
  screen.line('');
  screen.line(`${error.code}: ${error.message}`);
  if (error.hint !== undefined) screen.line(`  ${error.hint}`);
  for (const part of ['output', 'console']) {
    const lines: unknown = error.data?.[part];
    if (!Array.isArray(lines) || lines.length === 0) continue;
    screen.line(`  the end of the ${part}:`);
    for (const line of lines.slice(-20)) screen.line(`    ${String(line)}`);
  }
  for (const { kind, id, reason } of error.leftovers ?? []) {
    screen.line(`  left behind: ${kind} ${id}: ${reason}`);
  }
}
