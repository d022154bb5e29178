// @ts-check
// How long `import '@imgkit/core'` takes in a fresh process, from the built package: median of 15.
import { spawnSync } from 'node:child_process';
import { cpus, loadavg } from 'node:os';

const claimMs = 120;
const runs = 15;
const program = `
  const start = performance.now();
  await import('@imgkit/core');
  console.log(performance.now() - start);
`;

function importOnce() {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['--input-type=module', '--eval', program],
    { encoding: 'utf8', cwd: import.meta.dirname },
  );
  if (status !== 0) throw new Error(`the import failed: ${stderr}`);
  return Number(stdout);
}

const load = loadavg()[0]?.toFixed(1);
importOnce(); // fills the page cache
const times = Array.from({ length: runs }, importOnce).toSorted((a, b) => a - b);
const median = times[Math.floor(runs / 2)] ?? Number.NaN;
const [fastest = Number.NaN] = times;
const slowest = times.at(-1) ?? Number.NaN;

console.log(`node ${process.versions.node}, ${cpus().length} processors, load ${load}`);
console.log(
  `import '@imgkit/core': median ${median.toFixed(0)} ms ` +
    `(${fastest.toFixed(0)} to ${slowest.toFixed(0)}, ${runs} runs), claim: under ${claimMs} ms`,
);
process.exitCode = median < claimMs ? 0 : 1;
