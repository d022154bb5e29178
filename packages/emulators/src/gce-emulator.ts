import type { Provider } from '@imgkit/core';

import { realClock, type EmulatorClock } from './control-plane/clock.ts';
import { createFaults, type Faults } from './control-plane/faults.ts';
import { startHttpServer } from './control-plane/http-server.ts';
import type { LoggedRequest, OpenRequest, Violation } from './control-plane/request-log.ts';
import { tokenOf } from './gce/bearer-tokens.ts';
import { createComputeApi } from './gce/compute-api.ts';
import { policyOf, type PolicyBinding } from './gce/iam.ts';
import { defaultRegions } from './gce/locations.ts';
import { emulatedProject, type EmulatedProject } from './gce/emulated-project.ts';
import { defaultRates } from './gce/rates.ts';
import {
  createProjectPoliciesApi,
  isProjectPolicyPath,
} from './project-policies/project-policies-api.ts';
import { createObjectStore } from './storage/object-store.ts';
import { createStorageApi, isStoragePath } from './storage/storage-api.ts';
import { providerHardware } from './hardware/provider-hardware.ts';
import { createProject, type Project, type World } from './gce/state.ts';

/** A project that an emulator starts with. */
export interface GceProjectOptions {
  /** `acme-images` */
  readonly id: string;
  /** Who may do what in it, beside those without a token, who own everything. */
  readonly bindings?: readonly PolicyBinding[] | undefined;
}

/** What an emulated operation is, for those who say how long it takes. */
export interface EmulatedOperation {
  /** The method that started it: `Images.Insert`. */
  readonly rpc: string;
  /** The URL of the resource it works on. */
  readonly targetLink: string;
}

/** How to start an emulator. */
export interface GceEmulatorOptions {
  /** Its projects; one called `imgkit-test` by default. */
  readonly projects?: readonly GceProjectOptions[] | undefined;
  /** The port; any free one by default. */
  readonly port?: number | undefined;
  /** The address to listen at; `127.0.0.1` by default. */
  readonly host?: string | undefined;
  /** How long operations take, in ms on the emulator's clock; 5 by default. */
  readonly operationMs?: number | ((operation: EmulatedOperation) => number) | undefined;
  /** Its time; this machine's by default. */
  readonly clock?: EmulatorClock | undefined;
  /**
   * What makes images, disks and instances real: a provider with instances, disks and snapshots, for example of
   * `@imgkit/qemu`. Each machine with an access config gets a loopback address of its own (127.18.x.y, as `natIP`),
   * where its port 22 answers; that takes Linux, and the right to listen at port 22. A startup script runs at the
   * first boot only, and machine types count by their processors and memory. Closing the emulator deletes
   * everything that it made there. Without it, resources are only said to exist.
   */
  readonly machines?: Provider | undefined;
  /** The TCP ports of real machines, beside 22, that are reached at their addresses. */
  readonly machinePorts?: readonly number[] | undefined;
  /** Members of groups, by the group's address: `{ 'ops@acme.com': ['user:ann@acme.com'] }`. */
  readonly groups?: Readonly<Record<string, readonly string[]>> | undefined;
  /** Permissions of custom roles, by role: `{ 'projects/acme/roles/baker': ['compute.images.create'] }`. */
  readonly roles?: Readonly<Record<string, readonly string[]>> | undefined;
}

/** A running emulator of Google Compute Engine. */
export interface GceEmulator extends AsyncDisposable {
  /** Where it is: `http://127.0.0.1:34567`. */
  readonly endpoint: string;
  /** Where its Cloud Storage is: what `apiEndpoint` of `@google-cloud/storage` takes, and `STORAGE_EMULATOR_HOST`. */
  readonly storageEndpoint: string;
  /** Every request it got, in their order. */
  readonly requests: readonly LoggedRequest[];
  /** The requests that Google's own description of the API doesn't allow. A test can expect it to be empty. */
  readonly violations: readonly Violation[];
  /** What goes wrong, on demand. */
  readonly faults: Faults;
  /**
   * A bearer token that stands for an IAM member: `user:ann@acme.com`, `serviceAccount:…`. A request without one is
   * the owner's of every project.
   */
  token(member: string): string;
  /** Direct access to a project: seeds images, sets quotas and rates. */
  project(id: string): EmulatedProject;
  /** Ends it. What it stored is gone. */
  close(): Promise<void>;
}

/**
 * Starts a local control plane of Google Compute Engine: an HTTP server that answers as Google's API v1 does, for
 * tests that work without a network and without an account. Every request is checked against Google's own
 * description of the API.
 *
 * @throws `Error` when the port is taken, or {@link ImgkitError} with `FAILED_PRECONDITION` when there can't be
 *   real machines here.
 *
 * @example
 * ```ts
 * import { startGceEmulator } from '@imgkit/emulators';
 *
 * await using emulator = await startGceEmulator();
 * emulator.project('imgkit-test').addImage({ name: 'base-1', family: 'base' });
 * const answer = await fetch(
 *   `${emulator.endpoint}/compute/v1/projects/imgkit-test/global/images/family/base`,
 * );
 * console.log(answer.status); // 200
 * ```
 */
export async function startGceEmulator(options: GceEmulatorOptions = {}): Promise<GceEmulator> {
  const { host = '127.0.0.1', port = 0, clock = realClock, operationMs = 5 } = options;
  const projects = new Map<string, Project>();
  for (const [index, project] of (options.projects ?? [{ id: 'imgkit-test' }]).entries()) {
    const number = String(100_000_000_001 + index);
    const made = createProject(project.id, number, defaultRates);
    made.policy = policyOf(project.bindings ?? []);
    projects.set(project.id, made);
  }
  const objects = createObjectStore();
  let serial = 0n;
  const { machines, machinePorts = [] } = options;
  const hardware = machines && (await providerHardware(machines, machinePorts));
  const world: World = {
    clock,
    projects,
    regions: defaultRegions,
    directory: {
      groups: new Map(
        Object.entries(options.groups ?? {}).map(([group, members]) => [group, new Set(members)]),
      ),
      roles: new Map(Object.entries(options.roles ?? {})),
      projects,
    },
    operationMs: (operation) =>
      typeof operationMs === 'number' ? operationMs : operationMs(operation),
    nextId: () => String(1_000_000_000_000_000_000n + (serial += 7_919n)),
    objects,
    hardware,
  };

  const requests: OpenRequest[] = [];
  const violations: Violation[] = [];
  const faults = createFaults();
  const compute = createComputeApi(world, violations);
  const storage = createStorageApi(world, violations);
  const projectPolicies = createProjectPoliciesApi(world, violations);
  const server = await startHttpServer({
    host,
    port,
    clock,
    faults,
    log: requests,
    apiOf(path) {
      if (isStoragePath(path)) return storage;
      return isProjectPolicyPath(path) ? projectPolicies : compute;
    },
  });
  const close = async () => {
    await server.close();
    await objects.close();
    await hardware?.close();
  };
  const endpoint = `http://${host}:${server.port}`;
  return {
    endpoint,
    storageEndpoint: endpoint,
    requests,
    violations,
    faults,
    token: tokenOf,
    project(id) {
      const project = projects.get(id);
      if (!project) throw new Error(`The emulator has no project "${id}".`);
      return emulatedProject(world, project);
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}
