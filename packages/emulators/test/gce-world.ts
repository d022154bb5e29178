import { afterAll, beforeAll, beforeEach } from 'vitest';

import { createVirtualClock, type VirtualClock } from '../src/control-plane/clock.ts';
import { startGceEmulator, type GceEmulator } from '../src/gce-emulator.ts';
import { computeClients, type ComputeClients, type GoogleAnswer } from './compute-clients.ts';

export const project = 'imgkit-test';
export const zone = 'us-central1-a';
export const region = 'us-central1';

/** How long operations take on the clock of {@link createGceWorld}, in ms. */
export const operationMs = 1000;

/** An emulator whose time stands still unless a call waits, and Google's clients for it. */
export interface GceWorld {
  readonly emulator: GceEmulator;
  readonly clients: ComputeClients;
  readonly clock: VirtualClock;
  /** Starts an operation and gives it as it is when it has been accepted. */
  begin(
    service: string,
    method: string,
    request: object,
  ): Promise<Readonly<Record<string, unknown>>>;
  /** Starts an operation, lets its time pass, and gives it as it ended. Throws what it failed of. */
  run(service: string, method: string, request: object): Promise<GoogleAnswer>;
  /** Calls a method that answers at once; project and zone are filled in. */
  read(service: string, method: string, request: object): Promise<GoogleAnswer>;
  /** Reads below the project, without Google's client: it gives aggregated lists only item by item. */
  fetch(path: string): Promise<Readonly<Record<string, unknown>>>;
}

/** Starts an emulator before the first test of a file, with an image `base-1` of 10 GB, and ends it after the last. */
export function createGceWorld(prepare?: (world: GceWorld) => Promise<void> | void): GceWorld {
  let emulator: GceEmulator | undefined;
  let clients: ComputeClients | undefined;
  const clock = createVirtualClock('2026-11-21T00:00:00Z');
  const place = { project, zone, region };
  const world: GceWorld = {
    clock,
    get emulator() {
      if (!emulator) throw new Error('the emulator has not started');
      return emulator;
    },
    get clients() {
      if (!clients) throw new Error('the emulator has not started');
      return clients;
    },
    async begin(service, method, request) {
      const [answer] = await world.clients.call(service, method, { ...place, ...request });
      return answer.latestResponse;
    },
    async run(service, method, request) {
      const started = await world.clients.call(service, method, { ...place, ...request });
      await clock.advance(operationMs);
      const done = await world.clients.settle(started);
      if (done['error'])
        throw new Error(`${text(done['httpErrorStatusCode'])} ${text(done['error'])}`);
      return done;
    },
    async read(service, method, request) {
      const once = { autoPaginate: false };
      const [answer, , raw] = await world.clients.call(
        service,
        method,
        { ...place, ...request },
        once,
      );
      return Array.isArray(answer) && isAnswer(raw) ? raw : answer;
    },
    async fetch(path) {
      const url = `${world.emulator.endpoint}/compute/v1/projects/${project}/${path}`;
      const answer: unknown = await (await fetch(url)).json();
      return Object(answer);
    },
  };
  beforeAll(async () => {
    emulator = await startGceEmulator({ clock, operationMs });
    clients = computeClients(emulator.endpoint);
    emulator.project(project).addImage({ name: 'base-1', family: 'base' });
    await world.read('images', 'list', {}); // reads Google's description of the API, which takes seconds
    await prepare?.(world);
  }, 120_000);
  beforeEach(() => {
    // What Google's description of the API doesn't allow is a mistake of the test.
    const [violation] = world.emulator.violations;
    if (violation) throw new Error(violation.message);
  });
  afterAll(async () => {
    await clients?.[Symbol.asyncDispose]();
    await emulator?.close();
  });
  return world;
}

function text(value: unknown): string {
  return JSON.stringify(value) ?? '';
}

function isAnswer(value: unknown): value is GoogleAnswer {
  return typeof value === 'object' && value !== null;
}

/** The body of a new instance that boots from `base-1`. */
export function instanceBody(name: string, more: object = {}): object {
  return {
    name,
    machineType: `zones/${zone}/machineTypes/e2-small`,
    disks: [
      { boot: true, autoDelete: true, initializeParams: { sourceImage: 'global/images/base-1' } },
    ],
    networkInterfaces: [{ accessConfigs: [{}] }],
    ...more,
  };
}
