import { objectOf, objectsOf, textOf, type JsonObject } from '../../control-plane/json.ts';
import type { Call, Handler, Service } from '../call.ts';
import { attach, attachedDisk, detach } from '../disks/attachments.ts';
import {
  badRequest,
  conditionNotMet,
  invalid,
  notEmulated,
  notFound,
  required,
} from '../errors.ts';
import { isStopped, machineTypeOf, type InstanceRecord } from '../instances/instance-record.ts';
import { cpuMetricOf } from '../instances/instance-quotas.ts';
import { halt, removeInstance, run } from '../instances/life.ts';
import { metadataOf, metadataProblem } from '../instances/metadata.ts';
import { diskEntry, freeDisk } from '../instances/new-disks.ts';
import { beginInstance, shownMetadata } from '../instances/new-instance.ts';
import { serialOutput } from '../instances/serial-console.ts';
import { inTurn } from '../instances/turns.ts';
import { selfLink } from '../links.ts';
import { regionOf, zonesOf } from '../locations.ts';
import { aggregatedAnswer, listAnswer } from '../paging.ts';
import { reserve } from '../quotas.ts';
import { instanceType } from '../resources.ts';
import { timestamp } from '../values.ts';
import { setLabelsHandler } from './labels.ts';
import { policyHandlers } from './policies.ts';

/** A method that changes an instance, as an operation. */
function change(
  method: string,
  prepare: (call: Call, record: InstanceRecord) => (() => void | Promise<void>) | undefined,
): Handler {
  return (call) => {
    const record = call.target(instanceType, `compute.instances.${method}`);
    const finish = prepare(call, record);
    const { status } = record.resource;
    return call.start({
      type: method,
      location: record.location,
      target: record,
      finish: finish && (() => inTurn(record, async () => finish())),
      failed() {
        record.resource['status'] = status === 'PROVISIONING' ? 'TERMINATED' : status;
      },
    });
  };
}

const remove = change('delete', ({ world }, record) => {
  if (record.resource['deletionProtection'] === true) {
    const why = "Resource cannot be deleted if it's protected against deletion.";
    throw invalid('resource', record.link, why);
  }
  record.resource['status'] = 'STOPPING';
  return () => removeInstance(world, record);
});

const start = change('start', ({ world, project }, record) => {
  if (!isStopped(record)) return undefined;
  const type = machineTypeOf(record);
  if (type) reserve(cpuMetricOf(type), project, type.cpus, regionOf(record.location));
  record.resource['status'] = 'PROVISIONING';
  return () => run(world, record);
});

const stop = change('stop', (call, record) => {
  if (isStopped(record)) return undefined;
  const graceful = !call.flag('noGracefulShutdown');
  record.resource['status'] = 'STOPPING';
  return () => halt(call.world, record, graceful);
});

const reset = change('reset', ({ world }, record) => {
  if (record.resource['status'] !== 'RUNNING') {
    throw badRequest(`The resource '${record.link}' is not running.`);
  }
  return async () => {
    await world.hardware?.stopInstance(record.link, false);
    await run(world, record);
  };
});

const suspend = change('suspend', ({ world }, record) => {
  if (world.hardware) throw notEmulated('Suspending a real machine');
  if (record.resource['status'] !== 'RUNNING') {
    throw badRequest(`The resource '${record.link}' is not running.`);
  }
  record.resource['status'] = 'SUSPENDING';
  return async () => {
    await halt(world, record, true);
    record.resource['status'] = 'SUSPENDED';
    record.resource['lastSuspendedTimestamp'] = timestamp(world.clock.now());
  };
});

const resume = change('resume', ({ world }, record) => {
  if (record.resource['status'] !== 'SUSPENDED') {
    throw badRequest(`The resource '${record.link}' is not suspended.`);
  }
  record.resource['status'] = 'PROVISIONING';
  return () => run(world, record);
});

const setMetadata = change('setMetadata', ({ body }, { resource }) => {
  const problem = metadataProblem(body);
  if (problem !== undefined) throw invalid('metadata', '', problem);
  const current = objectOf(resource, 'metadata');
  const sent = textOf(body, 'fingerprint');
  if (sent !== textOf(current, 'fingerprint')) {
    throw conditionNotMet('Supplied fingerprint does not match current metadata fingerprint.');
  }
  return () => {
    resource['metadata'] = shownMetadata(body);
  };
});

const setDiskAutoDelete = change('setDiskAutoDelete', (call, record) => {
  const { index } = attachedAs(call, record);
  const autoDelete = call.flag('autoDelete');
  return () => replaceDisk(record, index, { autoDelete });
});

const attachDisk = change('attachDisk', (call, record) => {
  refuseReal(call);
  const source = textOf(call.body, 'source');
  if (source === undefined) throw required('source');
  const disk = freeDisk(call, 'source', source);
  const disks = objectsOf(record.resource, 'disks');
  const entry = diskEntry(call.body, disk, disks.length);
  if (disks.some(({ deviceName }) => deviceName === entry['deviceName'])) {
    throw invalid('deviceName', textOf(entry, 'deviceName') ?? '', 'It is used by another disk.');
  }
  attach(disk, record, timestamp(call.world.clock.now()));
  return () => {
    record.resource['disks'] = [...objectsOf(record.resource, 'disks'), entry];
  };
});

const detachDisk = change('detachDisk', (call, record) => {
  refuseReal(call);
  const { entry } = attachedAs(call, record);
  if (entry['boot'] === true && !isStopped(record)) {
    throw badRequest('The boot disk of a running instance cannot be detached.');
  }
  return () => {
    const disk = attachedDisk(record.project, entry);
    if (disk) detach(disk, record, timestamp(call.world.clock.now()));
    const source = textOf(entry, 'source');
    record.resource['disks'] = objectsOf(record.resource, 'disks').filter(
      (each) => textOf(each, 'source') !== source,
    );
  };
});

function attachedAs(call: Call, record: InstanceRecord) {
  const name = call.query('deviceName');
  if (name === undefined) throw required('deviceName');
  const disks = objectsOf(record.resource, 'disks');
  const index = disks.findIndex(({ deviceName }) => deviceName === name);
  const entry = disks[index];
  if (entry) return { index, entry };
  throw invalid('deviceName', name, 'No attached disk has this device name.');
}

function replaceDisk({ resource }: InstanceRecord, index: number, fields: JsonObject): void {
  resource['disks'] = objectsOf(resource, 'disks').map((entry, each) =>
    each === index ? Object.assign({}, entry, fields) : entry,
  );
}

function refuseReal({ world }: Call): void {
  if (world.hardware) throw notEmulated('Changing the disks of a real machine');
}

async function serialPortOutput(call: Call): Promise<JsonObject> {
  const record = call.target(instanceType, 'compute.instances.getSerialPortOutput');
  const port = Number(call.query('port') ?? 1);
  if (!(port >= 1 && port <= 4)) throw invalid('port', String(port), 'Must be from 1 to 4.');
  const printed = (await call.world.hardware?.console(record.link)) ?? record.printed;
  const output = serialOutput(port === 1 ? printed : '', Number(call.query('start') ?? 0));
  return {
    kind: 'compute#serialPortOutput',
    selfLink: `${selfLink(record.link)}/serialPort`,
    contents: output.contents,
    start: String(output.start),
    next: String(output.next),
  };
}

/** The SSH host keys, which Google's guest agent writes; nothing else of a guest is known here. */
async function guestAttributes(call: Call): Promise<JsonObject> {
  const record = call.target(instanceType, 'compute.instances.getGuestAttributes');
  const enabled = metadataOf(record.resource)['enable-guest-attributes'] ?? '';
  const path = call.query('queryPath') ?? '';
  const keys = (await call.world.hardware?.hostKeys(record.link)) ?? [];
  const [namespace, key = ''] = path.split('/');
  const items = keys
    .map((line) => line.split(' '))
    .map(([type = '', value = '']) => ({ namespace: 'hostkeys', key: type, value }))
    .filter((item) => namespace === '' || namespace === item.namespace)
    .filter((item) => key === '' || key === item.key);
  if (enabled.toUpperCase() !== 'TRUE' || items.length === 0) {
    throw notFound(`${record.link}/guestAttributes/${path}`);
  }
  return {
    kind: 'compute#guestAttributes',
    queryPath: path,
    queryValue: { items },
    selfLink: `${selfLink(record.link)}/guestAttributes/${path}`,
  };
}

export const instances: Service = {
  Insert: (call) => call.start(beginInstance(call).plan),
  Get: (call) => call.target(instanceType, 'compute.instances.get').resource,
  List(call) {
    call.permit('compute.instances.list', call.project);
    return listAnswer(call, instanceType);
  },
  AggregatedList(call) {
    call.permit('compute.instances.list', call.project);
    return aggregatedAnswer(call, instanceType, zonesOf(call.world.regions));
  },
  Delete: remove,
  Start: start,
  Stop: stop,
  Reset: reset,
  Suspend: suspend,
  Resume: resume,
  SetMetadata: setMetadata,
  SetLabels: setLabelsHandler(instanceType),
  SetDiskAutoDelete: setDiskAutoDelete,
  AttachDisk: attachDisk,
  DetachDisk: detachDisk,
  GetSerialPortOutput: serialPortOutput,
  GetGuestAttributes: guestAttributes,
  ...policyHandlers(instanceType),
};
