import {
  ImgkitError,
  type CallOptions,
  type Endpoint,
  type Instance,
  type Instances,
  type InstancesTraits,
  type Labels,
  type LaunchRequest,
  type Operation,
  type OperationControl,
} from '@imgkit/core';

import { objects, text, type WireObject } from './api/wire.ts';
import { tokenOf, type GceContext } from './context.ts';
import { diagnosed } from './machines/diagnosis.ts';
import { consoleTail, publishedHostKeys } from './machines/guest.ts';
import { instanceKind, instancePlace } from './resources/kinds.ts';
import { launchInstance } from './machines/launch.ts';
import { addressOf } from './mapping/instance.ts';
import { readMetadata } from './mapping/metadata.ts';
import { resourceName } from './resources/names.ts';
import {
  callOn,
  deleteResource,
  listResources,
  readResource,
  resumeResource,
  settled,
  type ResourceKind,
} from './resources/resource-calls.ts';

const defaultGraceMs = 90_000;
const defaultConsoleBytes = 65_536;

/** How {@link GceInstances} is set up. */
export interface InstancesSettings {
  /** Which address of a machine is its endpoint; the other one where it doesn't have it. */
  readonly address: 'external' | 'internal';
}

/** VMs of Compute Engine. */
export class GceInstances implements Instances {
  readonly traits: InstancesTraits = {
    instanceName: resourceName,
    // Stopping and starting moves the machine to another host, and gives it another external address.
    fastRestart: false,
    // Google has no way to give a guest its host keys; those that the guest publishes are in the endpoint.
    hostKeyInjection: false,
    console: true,
    selfDestruct: true,
    // Google's guest agent makes the users that metadata names, and lets them become root.
    defaultUser: 'imgkit',
  };
  readonly #context: GceContext;
  readonly #kind: ResourceKind<Instance>;
  readonly #settings: InstancesSettings;

  constructor(context: GceContext, settings: InstancesSettings) {
    this.#context = context;
    this.#kind = instanceKind(context.provider);
    this.#settings = settings;
    resumeResource(context, this.#kind, 'launch');
    for (const call of ['instances.start', 'instances.stop'] as const)
      context.onResume(call, async (token, control) => {
        await context.waitAgain(control, token, `${call} ${token.target}`);
        return this.#settle(token.target, control);
      });
  }

  async get(id: string, options?: CallOptions): Promise<Instance> {
    return this.#context.call('instances.get', id, options, async () =>
      this.#kind.show(await this.#read(id, options)),
    );
  }

  list(
    filter?: { readonly name?: string | undefined; readonly labels?: Labels | undefined },
    options?: CallOptions,
  ): AsyncIterable<Instance> {
    return listResources(this.#context, this.#kind, filter, undefined, options);
  }

  launch(request: LaunchRequest, options?: CallOptions): Operation<Instance> {
    return this.#context.operation('instances.launch', request.name, options, (control) =>
      launchInstance(this.#context, this.#kind, request, control),
    );
  }

  start(id: string, options?: CallOptions): Operation<Instance> {
    return this.#context.operation('instances.start', id, options, async (control) => {
      // One that is still stopping can't be started before it has stopped.
      const native = await settled(this.#context, this.#kind, id, ['STOPPING'], control);
      if (this.#kind.show(native).status === 'RUNNING') return this.#kind.show(native);
      const method = text(native, 'status') === 'SUSPENDED' ? 'resume' : 'start';
      return this.#change('instances.start', id, method, {}, control);
    });
  }

  stop(
    id: string,
    options?: CallOptions & { readonly graceMs?: number | undefined },
  ): Operation<Instance> {
    const { graceMs = defaultGraceMs } = options ?? {};
    return this.#context.operation('instances.stop', id, options, async (control) => {
      if (!(graceMs >= 0))
        throw new ImgkitError('INVALID_ARGUMENT', `graceMs is ${graceMs}`, {
          hint: 'Give milliseconds; at Google it only counts whether they are 0.',
        });
      const native = await this.#read(id, control);
      if (text(native, 'status') !== 'SUSPENDED' && this.#kind.show(native).status === 'STOPPED')
        return this.#kind.show(native);
      return this.#change('instances.stop', id, 'stop', stopWishes(native, graceMs), control);
    });
  }

  delete(id: string, options?: CallOptions): Operation<void> {
    return deleteResource(this.#context, this.#kind, id, options);
  }

  async console(
    id: string,
    options?: CallOptions & { readonly maxBytes?: number | undefined },
  ): Promise<string> {
    const { maxBytes = defaultConsoleBytes, signal } = options ?? {};
    return this.#context.call('instances.console', id, options, () =>
      consoleTail(this.#context, id, { maxBytes, signal }),
    );
  }

  async endpoint(id: string, port = 22, options?: CallOptions): Promise<Endpoint> {
    return this.#context.call('instances.endpoint', id, options, async () => {
      const native = await this.#read(id, options);
      const { status, reason = '' } = this.#kind.show(native);
      if (status !== 'RUNNING')
        throw refused(id, `${id} is ${status}${reason && `: ${reason}`}`, 'Start it first.');
      const { ports } = readMetadata(native);
      if (ports?.includes(port) === false)
        throw refused(
          id,
          `port ${port} of ${id} wasn't asked for`,
          'Name it in `ports` at launch.',
        );
      const host = addressOf(native, this.#settings.address);
      if (host === undefined) throw refused(id, `${id} has no address`, 'Give it a network.');
      const hostKeys = port === 22 ? await publishedHostKeys(this.#context, id, options) : [];
      return { host, port, hostKeys };
    });
  }

  async #change(
    call: 'instances.start' | 'instances.stop',
    id: string,
    method: string,
    wishes: Readonly<Record<string, boolean>>,
    control: OperationControl,
  ): Promise<Instance> {
    const { service, request } = callOn(instancePlace, id);
    const mutation = { service, method, request: { ...request, ...wishes }, target: id };
    try {
      const started = await this.#context.client.start(mutation, { signal: control.signal });
      await this.#context.wait(control, tokenOf(call, started, id), `${call} ${id}`);
      return await this.#settle(id, control);
    } catch (error) {
      throw await diagnosed(this.#context, error, { instance: id });
    }
  }

  /** Operations may end a little before the machine says so. */
  async #settle(id: string, control: OperationControl): Promise<Instance> {
    const passing = ['PENDING', 'STOPPING'];
    return this.#kind.show(await settled(this.#context, this.#kind, id, passing, control));
  }

  #read(id: string, options?: CallOptions): Promise<WireObject> {
    return readResource(this.#context, this.#kind, id, options);
  }
}

/**
 * How a machine is stopped. Google asks every guest, and pulls the plug after some two minutes (source: its
 * documentation of `scheduling.skipGuestOsShutdown`); at once, it only leaves out the longer graceful shutdown that
 * a machine may have been set up with. For machines with local SSDs it wants to hear what becomes of their data.
 */
function stopWishes(native: WireObject, graceMs: number): Record<string, boolean> {
  const local = objects(native, 'disks').some((disk) => text(disk, 'type') === 'SCRATCH');
  return {
    ...(graceMs === 0 && { noGracefulShutdown: true }),
    ...(local && { discardLocalSsd: graceMs === 0 }),
  };
}

function refused(resource: string, message: string, hint: string): ImgkitError {
  return new ImgkitError('FAILED_PRECONDITION', message, { resource, hint });
}
