import type { Provider } from '@imgkit/core';

import { realClock, type EmulatorClock } from './control-plane/clock.ts';
import { createFaults, type Faults } from './control-plane/faults.ts';
import { startHttpServer } from './control-plane/http-server.ts';
import { isJsonObject, type JsonObject } from './control-plane/json.ts';
import type { LoggedRequest, OpenRequest, Violation } from './control-plane/request-log.ts';
import { tokenOf } from './azure/access.ts';
import { createArmApi } from './azure/arm-api.ts';
import { merged } from './azure/call.ts';
import { marketplaceKey, type EmulatedMarketplaceImage } from './azure/marketplace/marketplace.ts';
import { createConsoleApi, isConsolePath } from './azure/machines/boot-diagnostics.ts';
import { createRateCounter, type AzureBudget, type AzureRate } from './azure/rates.ts';
import type { EmulatedGuest } from './azure/machines/guest.ts';
import { displayName } from './azure/regions.ts';
import { idKey, parentId } from './azure/resource-id.ts';
import { upgradeAutomatically } from './azure/scale-sets/scale-sets.ts';
import { newResource, Resources, type World } from './azure/state.ts';
import { BlobAccount, type EmulatedBlobs } from './azure/storage/blob-account.ts';
import { DiskContents } from './azure/storage/disk-contents.ts';
import { providerHardware } from './hardware/provider-hardware.ts';

/** What an emulated operation of Azure is, for those who say how long it takes. */
export interface EmulatedArmOperation {
  /** The method that started it: `GalleryImageVersions.CreateOrUpdate`. */
  readonly rpc: string;
  /** The id of the resource it works on. */
  readonly id: string;
}

/** Somebody's role in an emulated Azure. */
export interface EmulatedRole {
  /** The object id of a user, group or service principal. */
  readonly principal: string;
  /** The GUID of a built-in role: Owner, Contributor, Reader, or Compute Gallery Image Reader. */
  readonly role: string;
  /** The id of a subscription or of what is below one. */
  readonly scope: string;
}

/** How to start an emulator of Azure. */
export interface AzureEmulatorOptions {
  /** The ids of its subscriptions; `00000000-0000-0000-0000-000000000001` by default. */
  readonly subscriptions?: readonly string[] | undefined;
  /** Properties that requests may have anywhere, as those of newer versions of Azure; what isn't known is refused otherwise. */
  readonly futureFields?: readonly string[] | undefined;
  /** The id of the tenant that all of them belong to; `10000000-0000-0000-0000-000000000001` by default. */
  readonly tenant?: string | undefined;
  /** Who may do what, beside those without a token, who own everything. */
  readonly roles?: readonly EmulatedRole[] | undefined;
  /**
   * How answers write ids and regions. Usually, ids are as they were made, but for resource groups in lists; with `other`,
   * every id is in other case, and every region is `West Europe`: clients must compare both by what they mean.
   */
  readonly spelling?: 'usual' | 'other' | undefined;
  /** The port; any free one by default. */
  readonly port?: number | undefined;
  /** The address to listen at; `127.0.0.1` by default. */
  readonly host?: string | undefined;
  /** How long operations take, in ms on the emulator's clock; 5 by default. */
  readonly operationMs?: number | ((operation: EmulatedArmOperation) => number) | undefined;
  /** How many items a page of a list has; 50 by default. */
  readonly pageSize?: number | undefined;
  /** Limits other than Azure's, by what it calls them: `{ CreateUpdateGallery: { per3Minutes: 2, per30Minutes: 9 } }`. */
  readonly rates?: Readonly<Record<string, AzureRate>> | undefined;
  /**
   * Where blobs are: an Azurite, or an account of Azure Storage. Then they are looked at, as Azure does: what isn't the
   * fixed VHD of a page blob is refused. Without it, there are only those of `addBlob`.
   */
  readonly blobs?: EmulatedBlobs | undefined;
  /** Other numbers of calls than Azure's that a subscription has at the beginning; the hour gives as many as Azure's. */
  readonly subscriptionCalls?: Partial<AzureBudget> | undefined;
  /**
   * The provider of the real machines behind the virtual ones, for example `@imgkit/qemu`: then disks have content, guests
   * boot and run commands, and each machine with a public address has one on this computer where its SSH server
   * answers. Without it, machines are only said to run.
   */
  readonly machines?: Provider | undefined;
  /** The guests' TCP ports, beside 22, that answer at the addresses of real machines. */
  readonly machinePorts?: readonly number[] | undefined;
  /** What guests answer to commands where no real machines are behind them; nothing by default. */
  readonly guest?: EmulatedGuest | undefined;
  /** Its time; this machine's by default. */
  readonly clock?: EmulatorClock | undefined;
}

/** A running emulator of Azure Resource Manager. */
export interface AzureEmulator extends AsyncDisposable {
  /** Where it is: `http://127.0.0.1:34567`. */
  readonly endpoint: string;
  /** Every request it got, in their order. */
  readonly requests: readonly LoggedRequest[];
  /** The requests that Azure's descriptions of its API don't allow. A test can expect it to be empty. */
  readonly violations: readonly Violation[];
  /** What goes wrong, on demand. An `operation-error` makes what it strikes end as Failed. */
  readonly faults: Faults;
  /** A bearer token that stands for a principal, by its object id. A request without one is the owner's of everything. */
  token(principal: string): string;
  /** A resource as `get` answers it, by its id in any case; undefined when there is none. */
  resource(id: string): JsonObject | undefined;
  /** The ids of all resources that stand. */
  ids(): readonly string[];
  /**
   * Makes a resource, or changes the properties it names of one that stands; nothing is checked. The way to have
   * fields that no client knows, and resources of other times.
   *
   * @example
   * ```ts
   * import { startAzureEmulator } from '@imgkit/emulators';
   *
   * await using emulator = await startAzureEmulator();
   * const group = '/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/images';
   * emulator.seed(group, { location: 'westeurope' });
   * emulator.seed(`${group}/providers/Microsoft.Compute/galleries/golden`, {
   *   location: 'westeurope',
   *   properties: { provisioningState: 'Succeeded' },
   * });
   * ```
   */
  seed(id: string, body: JsonObject): void;
  /** Says that there is a page blob that an image version can be made of, with a disk of so many bytes. */
  addBlob(uri: string, sizeBytes: number): void;
  /** Puts an image into the marketplace, in every region. */
  addMarketplaceImage(image: EmulatedMarketplaceImage): void;
  /** Accepts the terms of a purchase plan, as `az vm image terms accept` does: without it, nothing can be made of its images. */
  acceptTerms(plan: NonNullable<EmulatedMarketplaceImage['plan']>): void;
  /**
   * Says whether a machine of a scale set is well, as its health extension or a probe would find it: by the machine's
   * id, or by that of an image version for all machines that boot from it. All are well otherwise.
   *
   * @example
   * ```ts
   * import { startAzureEmulator } from '@imgkit/emulators';
   *
   * await using emulator = await startAzureEmulator();
   * const compute =
   *   '/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/images/providers/Microsoft.Compute';
   * // A rolling upgrade to this version fails, and Azure takes it back where the policy says so.
   * emulator.setHealth(`${compute}/galleries/golden/images/web/versions/2.0.0`, false);
   * ```
   */
  setHealth(id: string, healthy: boolean): void;
  /**
   * Makes an image version of a disk file of this computer, in a format that the provider of the real machines reads.
   * Its definition is made with it where there is none: generalized Linux, unless `definition` says otherwise.
   *
   * @param id - The id of the version: `…/galleries/golden/images/base/versions/1.0.0`.
   * @throws `Error` without real machines.
   */
  importVersion(
    id: string,
    version: { readonly file: string; readonly location: string; readonly definition?: JsonObject },
  ): Promise<void>;
  /** Ends it. What it stored is gone. */
  close(): Promise<void>;
}

/**
 * Starts a local Azure Resource Manager with the Compute Gallery, managed images, disks, snapshots, machines and role
 * assignments: an HTTP server that answers as Azure does, for tests that work without a network and without an
 * account. Requests are checked against what Azure takes; what isn't known is refused.
 *
 * @throws `Error` when the port is taken, or {@link ImgkitError} with `FAILED_PRECONDITION` when there can't be
 *   real machines here.
 *
 * @example
 * ```ts
 * import { startAzureEmulator } from '@imgkit/emulators';
 *
 * await using emulator = await startAzureEmulator({ operationMs: 20 });
 * const path = '/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/none';
 * const answer = await fetch(`${emulator.endpoint}${path}?api-version=2021-04-01`);
 * console.log(answer.status); // 404
 * ```
 */
export async function startAzureEmulator(
  options: AzureEmulatorOptions = {},
): Promise<AzureEmulator> {
  const {
    host = '127.0.0.1',
    port = 0,
    clock = realClock,
    operationMs = 5,
    pageSize = 50,
  } = options;
  const { subscriptions = ['00000000-0000-0000-0000-000000000001'], roles = [] } = options;
  let serial = 0;
  const nextGuid = (): string => {
    serial += 1;
    return `${serial.toString(16).padStart(8, '0')}-5eed-4a2e-8a2e-${serial.toString(16).padStart(12, '0')}`;
  };
  const { machines, machinePorts = [] } = options;
  const hardware = machines && (await providerHardware(machines, machinePorts));
  const storage = options.blobs && new BlobAccount(options.blobs);
  const world: World = {
    clock,
    subscriptions: new Set(subscriptions.map(idKey)),
    resources: new Resources(),
    assignments: new Map(),
    operations: new Map(),
    blobs: new Map(),
    softDeleted: new Map(),
    marketplace: new Map(),
    acceptedTerms: new Set(),
    futureFields: new Set(options.futureFields),
    otherSpelling: options.spelling === 'other',
    tenant: options.tenant ?? '10000000-0000-0000-0000-000000000001',
    storage,
    contents: storage && new DiskContents(storage),
    rates: createRateCounter(clock, options.rates, options.subscriptionCalls),
    unhealthy: new Set(),
    watchers: new Set(),
    hardware,
    guest: options.guest ?? (() => ({})),
    pageSize,
    operationMs: (operation) =>
      typeof operationMs === 'number' ? operationMs : operationMs(operation),
    nextGuid,
  };
  world.watchers.add(() => upgradeAutomatically(world));
  for (const { principal, role, scope } of roles) {
    const id = `${scope}/providers/Microsoft.Authorization/roleAssignments/${nextGuid()}`;
    const createdOn = new Date(clock.now()).toISOString();
    const principalType = 'ServicePrincipal';
    world.assignments.set(idKey(id), {
      id,
      scope,
      principal,
      role: role.toLowerCase(),
      principalType,
      createdOn,
    });
  }

  const requests: OpenRequest[] = [];
  const violations: Violation[] = [];
  const faults = createFaults();
  const arm = createArmApi(world, violations);
  const consoles = createConsoleApi(world);
  const server = await startHttpServer({
    host,
    port,
    clock,
    faults,
    log: requests,
    apiOf: (path) => (isConsolePath(path) ? consoles : arm),
  });
  const seed = (id: string, body: JsonObject): void => {
    const stored = world.resources.find(id) ?? world.resources.add(newResource(id, body, {}));
    const whole = merged(stored.resource, body);
    if (isJsonObject(whole)) Object.assign(stored.resource, whole);
    for (const look of world.watchers) look(id);
  };
  const close = async () => {
    await server.close();
    await hardware?.close();
  };
  return {
    endpoint: `http://${host}:${server.port}`,
    requests,
    violations,
    faults,
    token: tokenOf,
    resource: (id) => world.resources.find(id)?.resource,
    ids: () => world.resources.ids(),
    seed,
    async importVersion(id, { file, location, definition = {} }) {
      if (hardware === undefined) throw new Error('The emulator has no real machines.');
      const { diskSizeBytes } = await hardware.createImage(idKey(id), { kind: 'file', path: file });
      const parent = parentId(id);
      const osType = { osType: 'Linux', osState: 'Generalized', hyperVGeneration: 'V2' };
      const properties = { ...osType, architecture: 'x64', provisioningState: 'Succeeded' };
      if (world.resources.find(parent) === undefined)
        seed(parent, { location, properties: { ...properties, ...definition } });
      const sizeInGB = Math.ceil(diskSizeBytes / 2 ** 30);
      seed(id, {
        location,
        properties: {
          provisioningState: 'Succeeded',
          publishingProfile: { targetRegions: [{ name: displayName(location) }] },
          storageProfile: { osDiskImage: { sizeInGB } },
        },
      });
    },
    setHealth(id, healthy) {
      if (healthy) world.unhealthy.delete(idKey(id));
      else world.unhealthy.add(idKey(id));
    },
    addMarketplaceImage(image) {
      const { publisher, offer, sku, version } = image;
      world.marketplace.set(marketplaceKey([publisher, offer, sku, version]), image);
    },
    acceptTerms({ publisher, product, name }) {
      world.acceptedTerms.add(marketplaceKey([publisher, product, name]));
    },
    addBlob: (uri, diskSize) => void world.blobs.set(uri, { diskSize }),
    close,
    [Symbol.asyncDispose]: close,
  };
}
