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

import { addressOf } from './instances/address-choice.ts';
import { consoleTail, printedHostKeys } from './instances/console.ts';
import { isGone, statusOfServer, toInstance } from './instances/instance-view.ts';
import { launchServer, runningServer, serversNamed } from './instances/launch.ts';
import { changePower } from './instances/power.ts';
import { removeInstance } from './instances/removal.ts';
import { readServerMetadata } from './instances/server-metadata.ts';
import { knownServer } from './instances/server-state.ts';
import type { NovaServer } from './nova/nova-server.ts';
import type { CloudContext } from './resources/context.ts';
import { hasLabels, invalid, resourceName } from './resources/rules.ts';

const defaultConsoleBytes = 65_536;

/** The servers of a project in Nova. */
export class RackspaceInstances implements Instances {
  readonly traits: InstancesTraits = {
    instanceName: resourceName,
    // Stopping and starting keeps disks and addresses, but takes a while on a real cloud.
    fastRestart: false,
    // By user data, for guests with cloud-init; it's what all images for OpenStack have.
    hostKeyInjection: true,
    console: true,
    // OpenStack has nothing that removes a server at its time.
    selfDestruct: false,
    defaultUser: 'root',
  };
  readonly #context: CloudContext;

  constructor(context: CloudContext) {
    this.#context = context;
    context.onResume('instances.launch', (id, options) =>
      context.operation('resume', id, options, async (control) => {
        control.accepted(`instances.launch ${id}`);
        return this.#show(await runningServer(context, id, control), control);
      }),
    );
    context.onResume('instances.start', (id, options) => this.start(id, options));
    context.onResume('instances.stop', (id, options) => this.stop(id, options));
    context.onResume('instances.delete', (id, options) => this.delete(id, options));
  }

  async get(id: string, options?: CallOptions): Promise<Instance> {
    const context = this.#context;
    return context.call('instances.get', id, options, async () =>
      this.#show(await knownServer(context, id, options), options),
    );
  }

  list(
    filter: { readonly name?: string | undefined; readonly labels?: Labels | undefined } = {},
    options?: CallOptions,
  ): AsyncIterable<Instance> {
    const { name, labels } = filter;
    const context = this.#context;
    const show = (server: NovaServer) => this.#show(server, options);
    return context.listing('instances.list', name, options, async function* () {
      const servers =
        name === undefined
          ? context.nova.list({}, options)
          : await serversNamed(context, name, options);
      for await (const server of servers) {
        if (isGone(server) || !hasLabels(readServerMetadata(server).labels, labels)) continue;
        yield await show(server);
      }
    });
  }

  launch(request: LaunchRequest, options?: CallOptions): Operation<Instance> {
    const context = this.#context;
    return context.operation('instances.launch', request.name, options, async (control) =>
      this.#show(await launchServer(context, request, control), control),
    );
  }

  start(id: string, options?: CallOptions): Operation<Instance> {
    return this.#power('start', id, options);
  }

  /**
   * Stops a machine. How long the guest is given before the plug is pulled is for the cloud, or the property
   * `os_shutdown_timeout` of the image, to say: OpenStack has no other way, so `graceMs` changes nothing.
   */
  stop(
    id: string,
    options?: CallOptions & { readonly graceMs?: number | undefined },
  ): Operation<Instance> {
    const { graceMs = 0 } = options ?? {};
    return this.#power('stop', id, options, () => {
      if (!(graceMs >= 0)) throw invalid(`graceMs is ${graceMs}`, 'Give milliseconds, 0 or more.');
    });
  }

  delete(id: string, options?: CallOptions): Operation<void> {
    const context = this.#context;
    return context.operation('instances.delete', id, options, async (control) => {
      control.accepted(`instances.delete ${id}`);
      await removeInstance(context, id, control);
    });
  }

  async console(
    id: string,
    options?: CallOptions & { readonly maxBytes?: number | undefined },
  ): Promise<string> {
    const { maxBytes = defaultConsoleBytes, signal } = options ?? {};
    const context = this.#context;
    return context.call('instances.console', id, options, async () => {
      await knownServer(context, id, { signal });
      return consoleTail(context, id, maxBytes, { signal });
    });
  }

  async endpoint(id: string, port = 22, options?: CallOptions): Promise<Endpoint> {
    const context = this.#context;
    return context.call('instances.endpoint', id, options, async () => {
      const server = await knownServer(context, id, options);
      const status = statusOfServer(server);
      if (status !== 'RUNNING') throw refused(id, `${id} is ${status}`, 'Start it first.');
      if (readServerMetadata(server).ports?.includes(port) === false)
        throw refused(
          id,
          `port ${port} of ${id} wasn't asked for`,
          'Name it in `ports` at launch.',
        );
      const host = addressOf(server);
      if (host === undefined)
        throw refused(id, `${id} has no address`, 'Give it a network: providerOptions.networks.');
      const hostKeys = port === 22 ? await printedHostKeys(context, id, options) : [];
      return { host, port, hostKeys };
    });
  }

  #power(
    change: 'start' | 'stop',
    id: string,
    options: CallOptions | undefined,
    check?: () => void,
  ): Operation<Instance> {
    const context = this.#context;
    const operation = `instances.${change}`;
    return context.operation(operation, id, options, async (control: OperationControl) => {
      check?.();
      const server = await changePower(context, id, change, {
        signal: control.signal,
        onBegun: () => control.accepted(`${operation} ${id}`),
      });
      return this.#show(server, control);
    });
  }

  #show(server: NovaServer, options?: CallOptions): Promise<Instance> {
    return toInstance(this.#context, server, { signal: options?.signal });
  }
}

function refused(resource: string, message: string, hint: string): ImgkitError {
  return new ImgkitError('FAILED_PRECONDITION', message, { resource, hint });
}
