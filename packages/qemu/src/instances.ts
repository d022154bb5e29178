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
} from '@imgkit/core';

import { dismantle } from './machine/assembly.ts';
import { consoleTail } from './machine/console.ts';
import { instanceKind, machineDirectory } from './machine/instance-record.ts';
import type { InstanceLauncher } from './machine/launcher.ts';
import { Machine } from './machine/machine.ts';
import { deleteOwn, getOwn, listOwn } from './resources/access.ts';
import type { LocalContext } from './resources/context.ts';
import { resourceName } from './resources/rules.ts';

const defaultGraceMs = 90_000;

/** QEMU machines: a process and a directory each, which outlive the program that made them. */
export class QemuInstances implements Instances {
  readonly traits: InstancesTraits = {
    instanceName: resourceName,
    fastRestart: true,
    hostKeyInjection: true,
    console: true,
    selfDestruct: false,
    defaultUser: 'root',
  };
  readonly #context: LocalContext;
  readonly #launcher: InstanceLauncher;

  constructor(context: LocalContext, launcher: InstanceLauncher) {
    this.#context = context;
    this.#launcher = launcher;
    context.onResume('instances.start', (id, options) => this.start(id, options));
    context.onResume('instances.stop', (id, options) => this.stop(id, options));
    context.onResume('instances.delete', (id, options) => this.delete(id, options));
  }

  async get(id: string, options?: CallOptions): Promise<Instance> {
    const context = this.#context;
    return context.call('instances.get', id, options, (store) =>
      instanceKind.show(context, getOwn(context, store, instanceKind, id)),
    );
  }

  list(
    filter?: { readonly name?: string | undefined; readonly labels?: Labels | undefined },
    options?: CallOptions,
  ): AsyncIterable<Instance> {
    return listOwn(this.#context, instanceKind, filter, options);
  }

  launch(request: LaunchRequest, options?: CallOptions): Operation<Instance> {
    return this.#launcher.launchFrom(request, options);
  }

  start(id: string, options?: CallOptions): Operation<Instance> {
    return this.#change('instances.start', id, options, (machine, signal) =>
      machine.start({ signal }),
    );
  }

  stop(
    id: string,
    options?: CallOptions & { readonly graceMs?: number | undefined },
  ): Operation<Instance> {
    const { graceMs = defaultGraceMs } = options ?? {};
    return this.#change('instances.stop', id, options, (machine, signal) => {
      if (!(graceMs >= 0)) {
        throw new ImgkitError('INVALID_ARGUMENT', `graceMs is ${graceMs}`, {
          hint: 'Give milliseconds; 0 pulls the plug at once.',
        });
      }
      return machine.stop({ graceMs, signal });
    });
  }

  delete(id: string, options?: CallOptions): Operation<void> {
    return deleteOwn(
      this.#context,
      'instances.delete',
      instanceKind,
      id,
      options,
      (store, record) => dismantle(this.#context, store, record),
    );
  }

  async console(
    id: string,
    options?: CallOptions & { readonly maxBytes?: number | undefined },
  ): Promise<string> {
    const context = this.#context;
    return context.call('instances.console', id, options, (store) =>
      consoleTail(
        machineDirectory(context, getOwn(context, store, instanceKind, id)),
        options?.maxBytes,
      ),
    );
  }

  async endpoint(id: string, port = 22, options?: CallOptions): Promise<Endpoint> {
    return this.#context.call('instances.endpoint', id, options, async () => {
      const machine = await this.#machine(id);
      const host = await machine.port(port, options);
      if (host === undefined) {
        throw new ImgkitError('FAILED_PRECONDITION', `no port leads to port ${port} of ${id}`, {
          resource: id,
          hint: 'Name the port in `ports` when the machine is launched.',
        });
      }
      return { host: '127.0.0.1', port: host, hostKeys: [machine.configuration.hostKey] };
    });
  }

  #change(
    operation: string,
    id: string,
    options: CallOptions | undefined,
    change: (machine: Machine, signal: AbortSignal) => Promise<void>,
  ): Operation<Instance> {
    return this.#context.operation(operation, id, options, async (_store, control) => {
      const machine = await this.#machine(id);
      control.accepted(`${operation} ${id}`);
      await change(machine, control.signal);
      return this.get(id, { signal: control.signal });
    });
  }

  async #machine(id: string): Promise<Machine> {
    const context = this.#context;
    const record = getOwn(context, await context.store(), instanceKind, id);
    const machine = await Machine.find(machineDirectory(context, record));
    if (machine !== undefined && record.state === 'READY') return machine;
    throw new ImgkitError('FAILED_PRECONDITION', `instance "${record.name}" was never finished`, {
      resource: id,
      hint: 'Launch it again with the same idempotency key, or delete it.',
    });
  }
}
