import { actionRoute, compute, pathOf, routesOf, type Route } from '../route.ts';
import { memberCalls } from './member-calls.ts';
import { scaleSets } from './scale-sets.ts';
import * as shapes from './shapes.ts';
import { upgradeCalls } from './upgrade-calls.ts';

const apiVersion = '2026-04-01';
const type = 'Microsoft.Compute/virtualMachineScaleSets';
const set = `${compute}/virtualMachineScaleSets/{}`;
const member = `${set}/virtualMachines/{}`;
const read = { method: 'GET', apiVersion } as const;
const service = 'VirtualMachineScaleSets';
const rolling = 'VirtualMachineScaleSetRollingUpgrades';

/** What is done to machines of a scale set: its name in the API, and in the address. */
const deeds = [
  ['UpdateInstances', 'manualupgrade'],
  ['Reimage', 'reimage'],
  ['DeleteInstances', 'delete'],
  ['Start', 'start'],
  ['Restart', 'restart'],
  ['PowerOff', 'poweroff'],
  ['Deallocate', 'deallocate'],
] as const;

/** Those that must say which machines they are about. */
const required: ReadonlySet<string> = new Set(['manualupgrade', 'delete']);

/** Scale sets, their machines, and their upgrades. */
export const scaleSetRoutes: readonly Route[] = [
  ...routesOf({
    service,
    path: `${compute}/virtualMachineScaleSets`,
    apiVersion,
    type,
    listName: 'List',
    listAllName: 'ListAll',
    handlers: scaleSets,
    put: shapes.scaleSetBody,
    patch: shapes.scaleSetUpdate,
    getQuery: ['$expand'],
  }),
  {
    ...read,
    rpc: `${service}.GetInstanceView`,
    path: pathOf(`${set}/instanceView`),
    actionName: 'instanceView',
    query: [],
    action: `${type}/instanceView/read`,
    handler: scaleSets.view,
  },
  {
    ...read,
    rpc: `${service}.GetOSUpgradeHistory`,
    path: pathOf(`${set}/osUpgradeHistory`),
    actionName: 'osUpgradeHistory',
    query: ['$skiptoken'],
    action: `${type}/osUpgradeHistory/read`,
    handler: upgradeCalls.history,
  },
  {
    ...read,
    rpc: `${rolling}.GetLatest`,
    path: pathOf(`${set}/rollingUpgrades/latest`),
    actionName: 'rollingUpgrades/latest',
    query: [],
    action: `${type}/rollingUpgrades/read`,
    handler: upgradeCalls.latest,
  },
  {
    rpc: `${rolling}.Cancel`,
    method: 'POST',
    path: pathOf(`${set}/rollingUpgrades/cancel`),
    actionName: 'rollingUpgrades/cancel',
    apiVersion,
    query: [],
    action: `${type}/rollingUpgrades/action`,
    handler: upgradeCalls.cancel,
  },
  actionRoute({
    service: rolling,
    rpc: 'StartOSUpgrade',
    path: set,
    name: 'osRollingUpgrade',
    apiVersion,
    type,
    handler: upgradeCalls.start,
  }),
  ...deeds.map(([rpc, name]) =>
    actionRoute({
      service,
      rpc,
      path: set,
      name,
      apiVersion,
      type,
      query: ['skipShutdown', 'forceDeletion', 'hibernate'],
      body:
        name === 'reimage'
          ? shapes.reimageBody
          : required.has(name)
            ? shapes.instances
            : shapes.someInstances,
      bodyIsOptional: !required.has(name),
      handler: memberCalls.actOnMany(name),
    }),
  ),
  ...memberRoutes(),
];

/** The machines of scale sets: they are made by their scale set only. */
function memberRoutes(): readonly Route[] {
  const memberService = 'VirtualMachineScaleSetVMs';
  const memberType = `${type}/virtualMachines`;
  return [
    {
      ...read,
      rpc: `${memberService}.Get`,
      path: pathOf(member),
      query: ['$expand'],
      action: `${memberType}/read`,
      handler: memberCalls.get,
    },
    {
      ...read,
      rpc: `${memberService}.List`,
      path: pathOf(`${set}/virtualMachines`),
      query: ['$expand', '$filter', '$select', '$skiptoken'],
      action: `${memberType}/read`,
      handler: memberCalls.list,
    },
    {
      ...read,
      rpc: `${memberService}.GetInstanceView`,
      path: pathOf(`${member}/instanceView`),
      actionName: 'instanceView',
      query: [],
      action: `${memberType}/instanceView/read`,
      handler: memberCalls.view,
    },
    {
      rpc: `${memberService}.Delete`,
      method: 'DELETE',
      path: pathOf(member),
      apiVersion,
      query: ['forceDeletion'],
      action: `${memberType}/delete`,
      handler: memberCalls.remove,
    },
    ...deeds
      .filter(([, name]) => name !== 'manualupgrade' && name !== 'delete')
      .map(([rpc, name]) =>
        actionRoute({
          service: memberService,
          rpc,
          path: member,
          name,
          apiVersion,
          type: memberType,
          query: ['skipShutdown'],
          body: name === 'reimage' ? shapes.reimageBody : undefined,
          bodyIsOptional: true,
          handler: memberCalls.actOnOne(name),
        }),
      ),
  ];
}
