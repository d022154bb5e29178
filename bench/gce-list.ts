// Listing 20,000 images through @imgkit/gce and with Google's own client alone, in turns: the same pages of the same
// emulator, which runs in a process of its own. Prints every round, the medians and their ratio.
//
//   node bench/gce-list.ts [--images 20000] [--rounds 7]
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createImgkit } from '@imgkit/core';
import { startGceEmulator } from '@imgkit/emulators';
import { gce } from '@imgkit/gce';

/** What we claim: our time, as a part of the bare client's. */
const claim = 1.5;
const project = 'acme-images';
const pageSize = 500;

const { values } = parseArgs({
  options: {
    images: { type: 'string', default: '20000' },
    rounds: { type: 'string', default: '7' },
    serve: { type: 'boolean', default: false },
  },
});
const images = Number(values.images);

/** The other process: an emulator with all the images. */
async function serve(): Promise<void> {
  const emulator = await startGceEmulator({ projects: [{ id: project }] });
  const seeded = emulator.project(project);
  for (let n = 0; n < images; n += 1) {
    const labels = { 'imgkit-run': `run-${n}`, team: 'web', stage: 'prod' };
    const fields = {
      architecture: 'X86_64',
      guestOsFeatures: [{ type: 'UEFI_COMPATIBLE' }, { type: 'GVNIC' }],
      ...(n % 3 === 0 && { deprecated: { state: 'DEPRECATED' } }),
    };
    seeded.addImage({ name: `web-${n}`, family: `web-${n % 50}`, labels, fields });
  }
  process.send?.(emulator.endpoint);
  await once(process, 'disconnect');
  await emulator.close();
}

function load(): string {
  return (loadavg()[0] ?? 0).toFixed(1);
}

async function measure(rounds: number): Promise<void> {
  const child = fork(import.meta.filename, ['--serve', '--images', String(images)], {
    execArgv: process.execArgv,
  });
  const home = await mkdtemp(join(tmpdir(), 'imgkit-bench-'));
  try {
    const [endpoint] = await once(child, 'message');
    console.log(
      `${images} images, pages of ${pageSize}; node ${process.versions.node}, ${cpus().length} processors, load ${load()}; ms`,
    );
    const bare = await bareClient(String(endpoint));
    const times = { bare: [] as Cost[], adapter: [] as Cost[] };
    for (let round = 0; round <= rounds; round += 1) {
      const sides = {
        bare: () => listBare(bare),
        adapter: () => listThrough(String(endpoint), home),
      };
      // Who is first changes, so that what one leaves behind hits both.
      const order =
        round % 2 === 0 ? (['bare', 'adapter'] as const) : (['adapter', 'bare'] as const);
      const taken = { bare: nothing, adapter: nothing };
      for (const side of order) taken[side] = await sides[side]();
      if (round === 0) continue; // warms up
      times.bare.push(taken.bare);
      times.adapter.push(taken.adapter);
      console.log(
        `round ${round}: bare ${show(taken.bare)}, adapter ${show(taken.adapter)} (load ${load()})`,
      );
    }
    const [bareCost, adapterCost] = [medians(times.bare), medians(times.adapter)];
    const ratio = adapterCost.ms / bareCost.ms;
    const processor = adapterCost.processorMs / bareCost.processorMs;
    console.log(
      `medians: bare ${show(bareCost)}, adapter ${show(adapterCost)}; ratio ${ratio.toFixed(2)} ` +
        `(of processor time ${processor.toFixed(2)}), claim: at most ${claim}`,
    );
    process.exitCode = ratio <= claim ? 0 : 1;
  } finally {
    child.disconnect();
    await rm(home, { recursive: true, force: true });
  }
}

/** What a listing took: on the clock, and of the processor. */
interface Cost {
  readonly ms: number;
  readonly processorMs: number;
}

const nothing: Cost = { ms: 0, processorMs: 0 };

/** Starts to measure, and gives what tells the cost until then. */
function stopwatch(): () => Cost {
  const [start, used] = [performance.now(), process.cpuUsage()];
  return () => {
    const { user, system } = process.cpuUsage(used);
    return { ms: performance.now() - start, processorMs: (user + system) / 1000 };
  };
}

function show({ ms, processorMs }: Cost): string {
  return `${ms.toFixed(0)} (processor ${processorMs.toFixed(0)})`;
}

function medians(costs: readonly Cost[]): Cost {
  return {
    ms: median(costs.map(({ ms }) => ms)),
    processorMs: median(costs.map(({ processorMs }) => processorMs)),
  };
}

/** What of Google's client is used here. */
interface BareClient {
  initialize(): Promise<unknown>;
  list(request: object, options: object): Promise<[readonly object[], object | null, object]>;
}

/** Google's client for images, set up as its own users would. */
async function bareClient(endpoint: string): Promise<BareClient> {
  const require = createRequire(new URL('../packages/gce/package.json', import.meta.url));
  // The adapter's own dependencies, which this directory doesn't have.
  const [compute, authentication] = ['@google-cloud/compute', 'google-auth-library'];
  const { ImagesClient } = require(`${compute}/build/src/v1/images_client.js`);
  const { GoogleAuth, PassThroughClient } = require(authentication);
  const { hostname, port } = new URL(endpoint);
  const auth = new GoogleAuth({ authClient: new PassThroughClient(), projectId: project });
  const options = { apiEndpoint: hostname, port: Number(port), protocol: 'http', auth };
  const client: BareClient = new ImagesClient(options);
  await client.initialize();
  return client;
}

/** Lists with the bare client, page by page, and reads the name of each. */
async function listBare(client: BareClient): Promise<Cost> {
  const cost = stopwatch();
  let count = 0;
  const orderBy = 'creationTimestamp desc';
  let request: object | null = { project, maxResults: pageSize, orderBy };
  while (request !== null) {
    const [page, next] = await client.list(request, { autoPaginate: false });
    count += page.filter((image) => 'name' in image).length;
    request = next;
  }
  return checked(count, cost());
}

/** Lists through the adapter. Each round has a provider of its own, whose throttle is fresh. */
async function listThrough(endpoint: string, stateDirectory: string): Promise<Cost> {
  await using kit = await createImgkit({
    stateDirectory,
    providers: [gce({ endpoint, project })],
  });
  const listed = kit.providers.get('gce').images;
  for await (const _ of listed.list({ pageSize: 1 })) break; // loads the client
  const cost = stopwatch();
  let count = 0;
  for await (const image of listed.list({ pageSize })) count += image.name === '' ? 0 : 1;
  return checked(count, cost());
}

function checked(count: number, cost: Cost): Cost {
  if (count !== images) throw new Error(`${count} of ${images} images were listed`);
  return cost;
}

function median(times: readonly number[]): number {
  const sorted = times.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const [low = 0, high = 0] = [sorted[middle - 1], sorted[middle]];
  return sorted.length % 2 === 1 ? high : (low + high) / 2;
}

if (values.serve) await serve();
else await measure(Number(values.rounds));
