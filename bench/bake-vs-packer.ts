// The same bake with Debian's Packer and with imgkit, in turns: same base file, same scripts, same
// accelerator, memory and processors. Prints every run, the medians and their ratio.
//
//   node bench/bake-vs-packer.ts [--rounds 3] [--directory path] [--verbose]
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { debianBase } from '@imgkit/qemu';
import { bakeWithImgkit } from './bake-vs-packer/imgkit-side.ts';
import { bakeWithPacker } from './bake-vs-packer/packer-side.ts';
import { run, scripts, type Work } from './bake-vs-packer/work.ts';

/** What we claim: each of our times, as a part of Packer's. */
const claims = { first: 0.8, again: 0.5 } as const;
const unchangedSeconds = 1;

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    directory: { type: 'string' },
    verbose: { type: 'boolean', default: false },
  },
});
const rounds = Number(values.rounds);
const cache = resolve(values.directory ?? join(tmpdir(), 'imgkit-bench-bases'));
const directory = await mkdtemp(join(tmpdir(), 'imgkit-bench-'));
const print = (line: string): void => void (values.verbose && console.log(line));
const load = (): string => (loadavg()[0] ?? 0).toFixed(1);

try {
  const { path, sha256, description } = await debianBase().build(cache);
  const archive = join(directory, 'app.tar');
  await run('tar', ['-cf', archive, '-C', scripts, 'provision-1.sh', 'provision-2.sh']);
  const work: Work = { base: { path, sha256 }, archive, cpus: 2, memoryMib: 1024 };
  console.log(`${description}; TCG; ${cpus().length} processors; times in seconds`);

  const times = { packer: [] as number[], first: [] as number[], again: [] as number[] };
  const unchanged: number[] = [];
  for (let round = 1; round <= rounds; round += 1) {
    const packer = async (): Promise<void> => {
      const before = load();
      const time = await bakeWithPacker(work, join(directory, 'packer'));
      times.packer.push(time);
      console.log(`round ${round}: packer ${time.toFixed(1)} (load ${before} to ${load()})`);
      await rm(join(directory, 'packer'), { recursive: true, force: true });
    };
    const imgkit = async (): Promise<void> => {
      const before = load();
      const place = join(directory, `imgkit-${round}`);
      await mkdir(place);
      const time = await bakeWithImgkit(work, place, print);
      times.first.push(time.first);
      times.again.push(time.again);
      unchanged.push(time.unchanged);
      console.log(
        `round ${round}: imgkit first ${time.first.toFixed(1)} (import ${time.import.toFixed(1)}), ` +
          `base used before ${time.again.toFixed(1)}, nothing changed ${time.unchanged.toFixed(2)} ` +
          `(load ${before} to ${load()})`,
      );
      await rm(place, { recursive: true, force: true });
    };
    // Whoever begins has the colder machine: so they take turns in that too.
    for (const side of round % 2 === 1 ? [packer, imgkit] : [imgkit, packer]) await side();
  }

  const packer = median(times.packer);
  console.log(`\nmedians of ${rounds}: packer ${packer.toFixed(1)}`);
  let held = true;
  for (const [name, claim] of Object.entries(claims)) {
    const own = median(name === 'first' ? times.first : times.again);
    held &&= own / packer <= claim;
    console.log(
      `  imgkit, ${name === 'first' ? 'first bake' : 'base used before'}: ${own.toFixed(1)}, ` +
        `${(own / packer).toFixed(2)} of Packer's time (claim: at most ${claim})`,
    );
  }
  const none = median(unchanged);
  held &&= none < unchangedSeconds;
  console.log(
    `  imgkit, nothing changed: ${none.toFixed(2)} (claim: under ${unchangedSeconds} s; Packer bakes again)`,
  );
  process.exitCode = held ? 0 : 1;
} finally {
  await rm(directory, { recursive: true, force: true });
}

function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  const upper = sorted[Math.floor(middle)] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? Number.NaN)) / 2;
}
