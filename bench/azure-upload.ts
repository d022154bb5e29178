// Uploading a disk of 10 GiB with 1 GiB of data to Azurite: through @imgkit/azure, until its image stands at the emulated
// Azure, and with Microsoft's own client alone, which is told where the data is. In turns, each in a process of its own;
// the bytes are counted on the wire. Prints every round, the medians, their ratio, the memory and the bytes.
//
//   node bench/azure-upload.ts [--gib 10] [--data 1024] [--rounds 3]
import { fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { connect, createServer, type AddressInfo } from 'node:net';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { azure } from '@imgkit/azure';
import { createImgkit } from '@imgkit/core';
import { startAzureEmulator } from '@imgkit/emulators';
import { startAzurite } from '../packages/azure/test/azurite.ts';

const mib = 2 ** 20;
/** What we claim. */
const claims = { ratio: 1.5, sentPerData: 1.1, memory: 200 * mib };
const subscription = '00000000-0000-0000-0000-000000000001';

const { values } = parseArgs({
  options: {
    gib: { type: 'string', default: '10' },
    data: { type: 'string', default: '1024' },
    rounds: { type: 'string', default: '3' },
    side: { type: 'string' },
    task: { type: 'string', default: '{}' },
  },
});
/** The size of the disk, and how many MiB of data are on it, one by one at the same distance. */
const [diskSize, pieces] = [Number(values.gib) * 1024 * mib, Number(values.data)];
const distance = Math.floor(diskSize / pieces / mib) * mib;

/** What a process is told. */
interface Task {
  readonly file: string;
  readonly blobs: { readonly endpoint: string; readonly account: string; readonly key: string };
  readonly arm: string;
  readonly home: string;
  readonly name: string;
}

/** What it took. */
interface Cost {
  readonly ms: number;
  readonly memory: number;
  readonly sent: number;
}

/** The bare client: the same pages, as many at a time as we send. */
async function uploadBare({ file, blobs, name }: Task): Promise<void> {
  const require = createRequire(new URL('../packages/azure/package.json', import.meta.url));
  // The adapter's own dependency, which this directory doesn't have.
  const library = '@azure/storage-blob';
  const { BlobServiceClient, StorageSharedKeyCredential } = require(library);
  const credential = new StorageSharedKeyCredential(blobs.account, blobs.key);
  const service = new BlobServiceClient(blobs.endpoint, credential);
  const blob = service.getContainerClient('vhds').getPageBlobClient(`${name}.vhd`);
  await blob.create(diskSize + 512);
  const disk = await open(file);
  let next = 0;
  const work = async (): Promise<void> => {
    const buffer = Buffer.alloc(mib);
    for (let piece = next++; piece < pieces; piece = next++) {
      await disk.read(buffer, 0, mib, piece * distance);
      await blob.uploadPages(buffer, piece * distance, mib);
    }
  };
  await Promise.all(Array.from({ length: 8 }, work));
  await blob.uploadPages(Buffer.alloc(512, 1), diskSize, 512);
  await disk.close();
}

async function uploadThrough({ file, blobs, arm, home, name }: Task): Promise<void> {
  const { endpoint, key } = blobs;
  await using kit = await createImgkit({
    stateDirectory: join(home, name),
    providers: [
      azure({
        subscription,
        resourceGroup: 'images',
        gallery: 'golden',
        location: 'eastus',
        endpoint: arm,
        storage: { account: endpoint, container: 'vhds', credentials: { kind: 'key', key } },
      }),
    ],
  });
  const { images } = kit.providers.get('azure');
  await images.create({ name, source: { kind: 'file', file }, idempotencyKey: name });
}

const sides = { bare: uploadBare, adapter: uploadThrough } as const;
type Side = keyof typeof sides;

/** The other process: does its task, and tells what it took. */
async function carryOut(side: Side, task: Task): Promise<void> {
  const start = performance.now();
  await sides[side](task);
  const ms = performance.now() - start;
  process.send?.({ ms, memory: process.resourceUsage().maxRSS * 1024 });
  process.disconnect();
}

/** Stands before a server, and counts what is sent to it. */
async function startCounter(target: string) {
  const { hostname, port } = new URL(target);
  let sent = 0;
  const server = createServer((client) => {
    const upstream = connect(Number(port), hostname);
    client.on('data', (chunk) => (sent += chunk.length));
    client.pipe(upstream).pipe(client);
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const)
      one.on('error', () => other.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address: AddressInfo | string | null = server.address();
  if (address === null || typeof address === 'string') throw new Error('no address');
  return {
    origin: `http://127.0.0.1:${address.port}`,
    takeSent() {
      const taken = sent;
      sent = 0;
      return taken;
    },
    close: () => server.close(),
  };
}

async function makeDisk(path: string): Promise<void> {
  const file = await open(path, 'w');
  await file.truncate(diskSize);
  for (let piece = 0; piece < pieces; piece += 1)
    await file.write(randomBytes(mib), 0, mib, piece * distance);
  await file.close();
}

async function measure(rounds: number): Promise<void> {
  const home = await mkdtemp(join(tmpdir(), 'imgkit-bench-'));
  try {
    const file = join(home, 'disk.raw');
    await makeDisk(file);
    console.log(
      `${values.gib} GiB with ${pieces} MiB of data; node ${process.versions.node}, ${cpus().length} processors`,
    );
    const costs: Record<Side, Cost[]> = { bare: [], adapter: [] };
    for (let round = 1; round <= rounds; round += 1) {
      // Who is first changes, so that what one leaves behind hits both.
      const order =
        round % 2 === 0 ? (['bare', 'adapter'] as const) : (['adapter', 'bare'] as const);
      for (const side of order) costs[side].push(await runSide(side, { file, home, round }));
    }
    report(costs);
  } finally {
    await rm(home, { recursive: true, force: true });
  }
}

/** Each side has an Azurite of its own: it keeps what was removed on its disk. */
async function runSide(
  side: Side,
  { file, home, round }: { readonly file: string; readonly home: string; readonly round: number },
): Promise<Cost> {
  await using azurite = await startAzurite('vhds');
  const counter = await startCounter(azurite.endpoint);
  const endpoint = `${counter.origin}/${azurite.account}`;
  const blobs = { endpoint, account: azurite.account, key: azurite.key };
  await using emulator = await startAzureEmulator({ subscriptions: [subscription], blobs });
  const group = `/subscriptions/${subscription}/resourceGroups/images`;
  emulator.seed(group, { location: 'eastus' });
  emulator.seed(`${group}/providers/Microsoft.Compute/galleries/golden`, { location: 'eastus' });
  const name = `${side}-${round}`;
  const task: Task = { file, blobs, arm: emulator.endpoint, home, name };
  const args = ['--side', side, '--task', JSON.stringify(task), '--gib', values.gib];
  const child = fork(import.meta.filename, [...args, '--data', values.data], {
    execArgv: process.execArgv,
  });
  const [answer] = await once(child, 'message');
  await once(child, 'exit');
  counter.close();
  const cost = { ms: Number(answer.ms), memory: Number(answer.memory), sent: counter.takeSent() };
  console.log(`round ${round}: ${side} ${show(cost)} (load ${(loadavg()[0] ?? 0).toFixed(1)})`);
  return cost;
}

function show({ ms, memory, sent }: Cost): string {
  return `${(ms / 1000).toFixed(2)} s, ${(memory / mib).toFixed(0)} MiB of memory, ${(sent / mib).toFixed(1)} MiB sent`;
}

function report({ bare, adapter }: Readonly<Record<Side, readonly Cost[]>>): void {
  const ratio = median(adapter.map(({ ms }) => ms)) / median(bare.map(({ ms }) => ms));
  const sent = Math.max(...adapter.map((cost) => cost.sent)) / (pieces * mib);
  const memory = Math.max(...adapter.map((cost) => cost.memory));
  console.log(
    `ratio of the medians ${ratio.toFixed(2)} (claim: at most ${claims.ratio}); ` +
      `sent ${sent.toFixed(3)} of the data (at most ${claims.sentPerData}); ` +
      `memory ${(memory / mib).toFixed(0)} MiB (below ${claims.memory / mib})`,
  );
  const holds = ratio <= claims.ratio && sent <= claims.sentPerData && memory < claims.memory;
  process.exitCode = holds ? 0 : 1;
}

function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const [low = 0, high = 0] = [sorted[middle - 1], sorted[middle]];
  return sorted.length % 2 === 1 ? high : (low + high) / 2;
}

const { side } = values;
if (side === 'bare' || side === 'adapter') await carryOut(side, JSON.parse(values.task));
else await measure(Number(values.rounds));
