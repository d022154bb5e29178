import type {
  Instance,
  Instances,
  LaunchRequest,
  MachineTemplate,
} from '../../spec/capabilities/instances.ts';
import { ImgkitError } from '../../spec/errors.ts';
import type { Begun, MemoryContext } from './context.ts';
import { beginCreation, beginDeletion, ownRow, type Kind } from './creation.ts';
import {
  assemble,
  dismantle,
  planDisks,
  switchOff,
  switchOn,
  type PlannedDisks,
} from './machine.ts';
import type { InstanceRow } from './records.ts';
import { checkInstant, checkLabels, checkName, checkSize } from './rules.ts';
import { hasLabels } from './table.ts';

/** The machines of a memory cloud. */
export function memoryInstances(context: MemoryContext): Instances {
  const { cloud } = context;
  const { instances: traits } = cloud.traits;
  const kind = instanceKind(context);
  const own = (id: string): InstanceRow => ownRow(context, kind, id);
  return {
    traits,
    get: (id, options = {}) =>
      context.call('instances.get', id, options, () => showInstance(own(id), context)),
    list: (filter = {}, options = {}) =>
      context.pages(
        'instances.list',
        options,
        {
          table: kind.table,
          test: (row) =>
            row.project === context.project &&
            (filter.name === undefined || row.name === filter.name) &&
            hasLabels(row.labels, filter.labels),
        },
        (row) => showInstance(row, context),
      ),
    launch: (request, options = {}) =>
      context.operation('instances.launch', request.name, options, (signal) =>
        beginLaunch(
          context,
          'instances.launch',
          request,
          () => planLaunch(context, request),
          signal,
        ),
      ),
    start: (id, options = {}) =>
      context.operation('instances.start', id, options, () => {
        const row = own(id);
        if (row.status !== 'RUNNING') row.status = 'PENDING';
        return beginChange(context, 'instances.start', row, () => {
          if (row.status === 'PENDING') switchOn(context, row);
        });
      }),
    stop: (id, options = {}) =>
      context.operation('instances.stop', id, options, async () => {
        const row = own(id);
        await switchOff(context, row, options.graceMs ?? 90_000);
        return beginChange(context, 'instances.stop', row, () => undefined);
      }),
    delete: (id, options = {}) =>
      context.operation('instances.delete', id, options, () => deleteInstance(context, id)),
    console: (id, options = {}) =>
      context.call('instances.console', id, options, () => {
        const row = own(id);
        if (!traits.console) {
          throw new ImgkitError('UNSUPPORTED', 'machines have no console here', { resource: id });
        }
        const bytes = Buffer.from(row.console);
        const { maxBytes = 65_536 } = options;
        return bytes.subarray(Math.max(0, bytes.length - maxBytes)).toString();
      }),
    endpoint: (id, port = 22, options = {}) =>
      context.call('instances.endpoint', id, options, async () => {
        const row = own(id);
        const forwarded = row.ports.get(port);
        if (row.status !== 'RUNNING' || forwarded === undefined) {
          const why = row.status === 'RUNNING' ? `has no port ${port}` : `is ${row.status}`;
          throw new ImgkitError('FAILED_PRECONDITION', `instance "${row.name}" ${why}`, {
            resource: id,
            hint: 'Start it, and name its ports when it is launched.',
          });
        }
        const guest = await row.guest;
        const { host = '127.0.0.1', port: real } = guest?.endpoint?.(port) ?? { port: forwarded };
        const { hostKey } = row.request;
        return { host, port: real, hostKeys: hostKey === undefined ? [] : [hostKey.publicKey] };
      }),
  };
}

/** Machines as a kind of resource. */
export function instanceKind(context: MemoryContext): Kind<InstanceRow, Instance> {
  return { kind: 'instance', table: context.cloud.instances, show: showInstance };
}

/** Begins to delete a machine, with the disks that go with it. */
export function deleteInstance(context: MemoryContext, id: string): Begun<void> {
  return beginDeletion(context, 'instances.delete', instanceKind(context), id, {
    completed: (row) => dismantle(context, row),
  });
}

/** Begins to launch a machine with the disks that `plan` finds. */
export function beginLaunch(
  context: MemoryContext,
  operation: string,
  request: LaunchRequest,
  plan: () => PlannedDisks,
  signal: AbortSignal,
): Promise<Begun<Instance>> {
  checkName('instance', request.name, context.cloud.traits.instances.instanceName);
  checkInstant('expiresAt', request.expiresAt);
  checkTemplate(request);
  if (request.hostKey !== undefined && !context.cloud.traits.instances.hostKeyInjection) {
    throw new ImgkitError('INVALID_ARGUMENT', 'a machine chooses its own host key here', {
      hint: 'Leave hostKey out.',
    });
  }
  const saved = context.cloud.warmStarts.get(`${context.project}/${request.warmStart ?? ''}`);
  return beginCreation(
    context,
    operation,
    instanceKind(context),
    {
      request,
      prepare: plan,
      make: (start, disks) => assemble(context, start, request, disks),
      complete: (row) => switchOn(context, row, saved !== undefined),
      undo: (row) => dismantle(context, row),
    },
    signal,
  );
}

/** Looks up what a machine is launched from; a saved machine is as it was when it was saved. */
function planLaunch(context: MemoryContext, request: LaunchRequest): PlannedDisks {
  const plan = planDisks(context, request);
  const saved = context.cloud.warmStarts.get(`${context.project}/${request.warmStart ?? ''}`);
  return saved === undefined
    ? plan
    : { ...plan, boot: { content: saved.content, deleteWithInstance: true } };
}

/** @throws {@link ImgkitError} with `INVALID_ARGUMENT` if no machine can be of this template. */
export function checkTemplate(template: MachineTemplate): void {
  checkLabels(template.labels);
  checkSize('the boot disk', template.bootDiskSizeBytes);
  for (const disk of template.disks ?? []) {
    if ('sizeBytes' in disk) checkSize('a disk', disk.sizeBytes);
  }
  if (template.startupScript !== undefined && template.userData !== undefined) {
    throw new ImgkitError('INVALID_ARGUMENT', 'startupScript and userData exclude each other', {
      hint: 'Give one of them.',
    });
  }
  const { machineType: size } = template;
  if (typeof size === 'object') {
    checkSize('memory', size.memoryBytes);
    checkSize('the number of processors', size.cpus);
  }
}

function beginChange(
  context: MemoryContext,
  operation: string,
  row: InstanceRow,
  change: () => void,
): Begun<Instance> {
  const job = context.cloud.begin(context.project, operation, {
    title: `${operation} of ${row.name}`,
    step: () => {
      change();
      return false;
    },
    value: (viewer) => showInstance(row, viewer),
  });
  return { job, value: () => showInstance(row, context) };
}

function showInstance(row: InstanceRow, viewer: MemoryContext): Instance {
  return {
    id: row.id,
    name: row.name,
    status: row.status,
    createdAt: row.createdAt,
    labels: { ...row.labels },
    image: row.image === undefined ? undefined : viewer.ref(row.image),
    machineType: row.machineType,
    disks: row.disks.map(({ disk, boot, deleteWithInstance }) => ({
      id: disk,
      boot,
      sizeBytes: viewer.cloud.disks.get(disk)?.content.sizeBytes ?? 0,
      deleteWithInstance,
    })),
    metadata: { ...row.request.metadata },
    reason: row.reason,
  };
}
