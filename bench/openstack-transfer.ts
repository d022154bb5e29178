// Uploading a disk to a real Glance, and downloading it again, with curl and through @imgkit/rackspace, in turns: the
// same file, the same server, which this script starts. Each of our transfers runs in a process of its own, whose
// largest memory is its own account. Prints every round, the medians and their ratios.
//
//   node bench/openstack-transfer.ts [--mebibytes 2048] [--rounds 3] [--directory path]
import { execFile, fork } from 'node:child_process';
import { randomFillSync } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { createImgkit } from '@imgkit/core';
import { rackspace } from '@imgkit/rackspace';
import { reasonToSkip, startOpenStack, type OpenStack } from '../test/openstack/cloud.ts';

/** What we claim: our time, as a part of curl's, and the memory of the process, in bytes. */
const claim = { ratio: 1.3, memoryBytes: 150 * 2 ** 20 };

const { values } = parseArgs({
  options: {
    mebibytes: { type: 'string', default: '2048' },
    rounds: { type: 'string', default: '3' },
    directory: { type: 'string', default: tmpdir() },
    work: { type: 'string' },
  },
});
const run = promisify(execFile);

/** One transfer of ours, and who makes it. */
interface Work {
  readonly authUrl: string;
  readonly password: string;
  readonly stateDirectory: string;
  /** The file to upload; the image to download, and the file to write. */
  readonly transfer: { readonly from: string } | { readonly image: string; readonly to: string };
}

/** What a transfer took. */
interface Cost {
  readonly ms: number;
  /** Of the processor, where it is a process of ours. */
  readonly processorMs?: number | undefined;
  /** The most memory that the process ever had, by the system's account. */
  readonly memoryBytes?: number | undefined;
}

/** The process that transfers: from the call to its result. */
async function work({ authUrl, password, stateDirectory, transfer }: Work): Promise<void> {
  await using kit = await createImgkit({
    stateDirectory,
    providers: [rackspace({ authUrl, username: 'images', password, projectName: 'images' })],
  });
  const provider = kit.providers.require('rackspace', 'transfer');
  await provider.check();
  const [start, used] = [performance.now(), process.cpuUsage()];
  let id = '';
  if ('from' in transfer) {
    const request = { name: `bench-${process.pid}`, from: transfer.from };
    id = (await provider.transfer.import(request)).ref.id;
  } else {
    await provider.transfer.export({ ...transfer, format: 'raw' });
  }
  const { user, system } = process.cpuUsage(used);
  process.send?.({
    id,
    ms: performance.now() - start,
    processorMs: (user + system) / 1000,
    memoryBytes: process.resourceUsage().maxRSS * 1024,
  });
  process.disconnect();
}

/** Has a process of ours make a transfer. */
async function throughImgkit(cloud: OpenStack, transfer: Work['transfer'], place: string) {
  const { identity: authUrl, password } = cloud;
  const stateDirectory = join(place, 'state');
  const given: Work = { authUrl, password, stateDirectory, transfer };
  const child = fork(import.meta.filename, ['--work', JSON.stringify(given)], {
    execArgv: process.execArgv,
  });
  const exit = once(child, 'exit');
  const [said] = await Promise.race([
    once(child, 'message'),
    exit.then(([code]) => {
      throw new Error(`the process ended with ${code}`);
    }),
  ]);
  await exit;
  const { id, ...cost }: Cost & { readonly id: string } = said;
  return { id, cost };
}

/** Glance, asked as `images` with a token of its own. */
async function bareGlance({ identity, password, environment }: OpenStack) {
  const domain = { id: 'default' };
  const signedIn = await fetch(`${identity}/auth/tokens`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      auth: {
        identity: {
          methods: ['password'],
          password: { user: { name: 'images', domain, password } },
        },
        scope: { project: { name: 'images', domain } },
      },
    }),
  });
  const token = signedIn.headers.get('x-subject-token') ?? '';
  const images = `http://127.0.0.1:${environment['GLANCE_PORT']}/v2/images`;
  const headers = { 'x-auth-token': token, 'content-type': 'application/json' };
  const curl = async (...args: readonly string[]): Promise<Cost> => {
    const start = performance.now();
    await run('curl', ['-sSf', '-H', `x-auth-token: ${token}`, ...args]);
    return { ms: performance.now() - start };
  };
  return {
    /** Makes an image and has curl fill it. */
    async upload(file: string): Promise<{ readonly id: string; readonly cost: Cost }> {
      const body = JSON.stringify({ name: 'c', disk_format: 'raw', container_format: 'bare' });
      const made = await fetch(images, { method: 'POST', headers, body });
      const { id }: { id: string } = Object(await made.json());
      const type = 'content-type: application/octet-stream';
      return { id, cost: await curl('-T', file, '-H', type, `${images}/${id}/file`) };
    },
    download: (id: string, to: string): Promise<Cost> => curl('-o', to, `${images}/${id}/file`),
    async remove(id: string): Promise<void> {
      await fetch(`${images}/${id}`, { method: 'DELETE', headers });
    },
  };
}

async function measure(mebibytes: number, rounds: number): Promise<void> {
  const missing = await reasonToSkip();
  if (missing !== undefined) throw new Error(`there is no OpenStack to measure at: ${missing}`);
  const place = await mkdtemp(join(values.directory, 'imgkit-bench-'));
  const cloud = await startOpenStack({ compute: false });
  try {
    const disk = join(place, 'disk.raw');
    await writeDisk(disk, mebibytes);
    const bare = await bareGlance(cloud);
    console.log(
      `${mebibytes} MiB; node ${process.versions.node}, ${cpus().length} processors, load ${load()}; seconds`,
    );
    const costs = {
      upload: { curl: [] as Cost[], imgkit: [] as Cost[] },
      download: { curl: [] as Cost[], imgkit: [] as Cost[] },
    };
    for (let round = 1; round <= rounds; round += 1) {
      // Who is first changes, so that what one leaves behind hits both.
      const sides = round % 2 === 1 ? (['curl', 'imgkit'] as const) : (['imgkit', 'curl'] as const);
      const to = join(place, 'copy.raw');
      for (const side of sides) {
        const up =
          side === 'curl'
            ? await bare.upload(disk)
            : await throughImgkit(cloud, { from: disk }, place);
        costs.upload[side].push(up.cost);
        console.log(`round ${round}: ${side} uploads ${show(up.cost)}`);
        const down =
          side === 'curl'
            ? await bare.download(up.id, to)
            : (await throughImgkit(cloud, { image: up.id, to }, place)).cost;
        costs.download[side].push(down);
        console.log(`round ${round}: ${side} downloads ${show(down)}`);
        await rm(to);
        await bare.remove(up.id);
      }
    }
    let held = true;
    for (const [what, { curl, imgkit }] of Object.entries(costs)) {
      const [theirs, ours] = [median(curl), median(imgkit)];
      const most = Math.max(...imgkit.map(({ memoryBytes = Infinity }) => memoryBytes));
      held &&= ours / theirs <= claim.ratio && most <= claim.memoryBytes;
      console.log(
        `${what}, medians: curl ${seconds(theirs)}, imgkit ${seconds(ours)}; ` +
          `ratio ${(ours / theirs).toFixed(2)} (claim: at most ${claim.ratio}), ` +
          `memory at most ${mebi(most)} (claim: ${mebi(claim.memoryBytes)})`,
      );
    }
    process.exitCode = held ? 0 : 1;
  } finally {
    await cloud.stop();
    await rm(place, { recursive: true, force: true });
  }
}

/** A disk without a pattern that anything could save. */
async function writeDisk(path: string, mebibytes: number): Promise<void> {
  await using file = await open(path, 'wx');
  const chunk = Buffer.alloc(2 ** 20);
  for (let written = 0; written < mebibytes; written += 1) {
    randomFillSync(chunk);
    await file.write(chunk);
  }
}

function show({ ms, processorMs, memoryBytes }: Cost): string {
  const own =
    processorMs === undefined || memoryBytes === undefined
      ? ''
      : `, processor ${seconds(processorMs)}, memory ${mebi(memoryBytes)}`;
  return `${seconds(ms)} (load ${load()}${own})`;
}

function seconds(ms: number): string {
  return (ms / 1000).toFixed(1);
}

function mebi(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(0)} MiB`;
}

function load(): string {
  return (loadavg()[0] ?? 0).toFixed(1);
}

function median(costs: readonly Cost[]): number {
  const sorted = costs.map(({ ms }) => ms).toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const [low = 0, high = 0] = [sorted[middle - 1], sorted[middle]];
  return sorted.length % 2 === 1 ? high : (low + high) / 2;
}

if (values.work === undefined) await measure(Number(values.mebibytes), Number(values.rounds));
else await work(JSON.parse(values.work));
