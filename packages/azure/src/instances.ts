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

import { object, text, type WireObject } from './api/wire.ts';
import { tokenOf, type AzureContext } from './context.ts';
import { consoleTail, printedHostKeys } from './machines/console.ts';
import { sealScript } from './machines/generalization.ts';
import { defaultUser } from './machines/guest-data.ts';
import { instanceKind, statusesIn } from './machines/instance-kind.ts';
import { launchInstance } from './machines/launch.ts';
import { addressOf } from './machines/network.ts';
import { actOn, halt, settled } from './machines/power.ts';
import { isGeneralized, portsOf } from './mapping/instance.ts';
import { machineName } from './resources/names.ts';
import {
  deleteResource,
  listResources,
  readResource,
  resumeResource,
} from './resources/resource-calls.ts';
import type { ResourceKind } from './resources/resource-calls.ts';

const defaultGraceMs = 90_000;
const defaultConsoleBytes = 65_536;

/** Virtual machines. */
export class AzureInstances implements Instances {
  readonly traits: InstancesTraits = {
    instanceName: machineName,
    // A machine that has stopped keeps its host only until it is deallocated.
    fastRestart: false,
    // Only guests with cloud-init would take them; those that the guest prints are in the endpoint.
    hostKeyInjection: false,
    console: true,
    // Azure's auto-shutdown stops a machine, and deletes nothing.
    selfDestruct: false,
    defaultUser,
    sealScript,
  };
  readonly #context: AzureContext;
  readonly #kind: ResourceKind<Instance>;

  constructor(context: AzureContext) {
    this.#context = context;
    this.#kind = instanceKind(context);
    resumeResource(context, this.#kind);
    for (const call of ['instances.start', 'instances.stop'] as const)
      context.onResume(call, async ({ operation, ...token }, control) => {
        if (operation !== null) await context.waitFor(control, { ...token, operation });
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
    return listResources(this.#context, this.#kind, filter, undefined, options, () =>
      statusesIn(this.#context, options),
    );
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
      if (isGeneralized(native))
        throw refused(
          id,
          `${id} was generalized, and never starts again`,
          'Launch a new machine of the image that was made of it.',
        );
      await actOn(
        this.#context,
        tokenOf('instances.start', null, idOf(native, id)),
        'start',
        control,
      );
      return this.#settle(id, control);
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
          hint: 'Give milliseconds; at Azure it only counts whether they are 0.',
        });
      const native = await this.#read(id, control);
      await halt(this.#context, native, { call: 'instances.stop', graceMs }, control);
      return this.#settle(id, control);
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
      if (portsOf(native)?.includes(port) === false)
        throw refused(
          id,
          `port ${port} of ${id} wasn't asked for`,
          'Name it in `ports` at launch.',
        );
      const [host, hostKeys] = await Promise.all([
        addressOf(this.#context, native, options),
        port === 22 ? this.#hostKeys(native, id, options) : [],
      ]);
      if (host === undefined)
        throw refused(id, `${id} has no address`, 'Give it a public address, or one in a network.');
      return { host, port, hostKeys };
    });
  }

  async #hostKeys(
    native: WireObject,
    id: string,
    options?: CallOptions,
  ): Promise<readonly string[]> {
    const settings = object(object(native, 'diagnosticsProfile'), 'bootDiagnostics');
    return settings?.['enabled'] === true ? printedHostKeys(this.#context, id, options) : [];
  }

  /** Operations may end a little before the machine says so. */
  async #settle(id: string, control: OperationControl): Promise<Instance> {
    const passing = ['PENDING', 'STOPPING'] as const;
    return this.#kind.show(await settled(this.#context, this.#kind, id, passing, control));
  }

  #read(id: string, options?: CallOptions): Promise<WireObject> {
    return readResource(this.#context, this.#kind, id, options);
  }
}

function idOf(native: WireObject, id: string): string {
  return text(native, 'id') ?? id;
}

function refused(resource: string, message: string, hint: string): ImgkitError {
  return new ImgkitError('FAILED_PRECONDITION', message, { resource, hint });
}
