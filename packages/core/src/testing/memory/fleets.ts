import type { CreateFleetRequest, Fleet, Fleets } from '../../spec/capabilities/fleets.ts';
import { ImgkitError } from '../../spec/errors.ts';
import type { Begun, MemoryContext } from './context.ts';
import { beginCreation, beginDeletion, ownRow, type Kind } from './creation.ts';
import {
  addMembers,
  checkRoom,
  membersOf,
  removeMembers,
  switchOnMembers,
  targetOf,
} from './fleet-members.ts';
import { bootImage, showFleet } from './fleet-view.ts';
import { checkTemplate } from './instances.ts';
import { planDisks } from './machine.ts';
import type { FleetRow } from './records.ts';
import { beginRollout, rolloutBounds } from './rollout.ts';
import { checkName } from './rules.ts';
import { hasLabels } from './table.ts';

/** The fleets of a memory cloud. */
export function memoryFleets(context: MemoryContext): Fleets {
  const { cloud } = context;
  const { fleets: traits } = cloud.traits;
  const kind = fleetKind(context);
  const own = (id: string): FleetRow => ownRow(context, kind, id);
  const fleets: Fleets = {
    traits,
    get: (id, options = {}) =>
      context.call('fleets.get', id, options, () => showFleet(own(id), context)),
    list: (filter = {}, options = {}) =>
      context.pages(
        'fleets.list',
        options,
        {
          table: kind.table,
          test: (row) =>
            row.project === context.project &&
            (filter.name === undefined || row.name === filter.name) &&
            hasLabels(row.labels, filter.labels),
        },
        (row) => showFleet(row, context),
      ),
    create: (request, options = {}) =>
      context.operation('fleets.create', request.name, options, (signal) =>
        beginFleet(context, request, signal),
      ),
    resize: (id, size, options = {}) =>
      context.operation('fleets.resize', id, options, () => beginResize(context, own(id), size)),
    rollOut: (request, options = {}) =>
      context.operation('fleets.rollOut', request.fleet, options, () => {
        const fleet = own(request.fleet);
        checkIdle(fleet);
        bootImage(request.template);
        checkTemplate(request.template);
        planDisks(context, request.template);
        const bounds = rolloutBounds(context, fleet, request);
        checkRoom(context, bounds.surge);
        return beginRollout(context, 'fleets.rollOut', fleet, request.template, bounds);
      }),
    rollBack: (id, options = {}) =>
      context.operation('fleets.rollBack', id, options, () => {
        const fleet = own(id);
        const template = fleet.templates.at(-2);
        if (template === undefined) {
          throw new ImgkitError(
            'FAILED_PRECONDITION',
            `fleet "${fleet.name}" had one template only`,
            {
              resource: id,
              hint: 'Roll out another template first.',
            },
          );
        }
        fleet.rollout?.stop('it was rolled back');
        const bounds = rolloutBounds(context, fleet, {});
        return beginRollout(context, 'fleets.rollBack', fleet, template, bounds);
      }),
    delete: (id, options = {}) =>
      context.operation('fleets.delete', id, options, () => deleteFleet(context, id)),
  };
  if (!traits.pause) return fleets;
  return {
    ...fleets,
    pause: (id, options = {}) =>
      context.call('fleets.pause', id, options, () => {
        const fleet = own(id);
        if (fleet.rollout === undefined) throw noRollout(fleet);
        fleet.rollout.paused = true;
        fleet.status = 'PAUSED';
        return showFleet(fleet, context);
      }),
    unpause: (id, options = {}) =>
      context.operation('fleets.unpause', id, options, () => {
        const fleet = own(id);
        const { rollout } = fleet;
        if (rollout === undefined) throw noRollout(fleet);
        rollout.paused = false;
        fleet.status = 'ROLLING';
        cloud.notify();
        return { job: rollout, value: () => showFleet(fleet, context) };
      }),
  };
}

/** Fleets as a kind of resource. */
function fleetKind(context: MemoryContext): Kind<FleetRow, Fleet> {
  return { kind: 'fleet', table: context.cloud.fleets, show: showFleet };
}

/** Begins to delete a fleet with its machines. */
export function deleteFleet(context: MemoryContext, id: string): Begun<void> {
  return beginDeletion(context, 'fleets.delete', fleetKind(context), id, {
    completed: (fleet) => {
      fleet.rollout?.stop('the fleet was deleted');
      removeMembers(
        context,
        fleet,
        membersOf(context, fleet).map(({ instance }) => instance),
      );
    },
  });
}

function beginFleet(context: MemoryContext, request: CreateFleetRequest, signal: AbortSignal) {
  checkName('fleet', request.name);
  checkCount(request.size);
  bootImage(request.template);
  checkTemplate(request.template);
  return beginCreation(
    context,
    'fleets.create',
    fleetKind(context),
    {
      request,
      prepare: () => {
        planDisks(context, request.template);
        checkRoom(context, request.size);
      },
      make: (start) => {
        const fleet: FleetRow = {
          ...start,
          status: 'ROLLING',
          size: request.size,
          templates: [request.template],
          members: new Map(),
          rollout: undefined,
        };
        addMembers(context, fleet, request.template, request.size, start.job);
        return fleet;
      },
      complete: (fleet) => {
        switchOnMembers(context, fleet);
        fleet.status = 'STABLE';
      },
      undo: (fleet) => {
        removeMembers(
          context,
          fleet,
          membersOf(context, fleet).map(({ instance }) => instance),
        );
      },
    },
    signal,
  );
}

function beginResize(context: MemoryContext, fleet: FleetRow, size: number): Begun<Fleet> {
  checkCount(size);
  checkIdle(fleet);
  const members = membersOf(context, fleet);
  checkRoom(context, Math.max(0, size - members.length));
  fleet.size = size;
  const job = context.cloud.begin(context.project, 'fleets.resize', {
    title: `resizing of fleet ${fleet.name}`,
    step: () => {
      addMembers(context, fleet, targetOf(fleet), Math.max(0, size - members.length), job);
      switchOnMembers(context, fleet);
      removeMembers(
        context,
        fleet,
        members.slice(size).map(({ instance }) => instance),
      );
      return false;
    },
    value: (viewer) => showFleet(fleet, viewer),
  });
  return { job, value: () => showFleet(fleet, context) };
}

function checkIdle(fleet: FleetRow): void {
  if (fleet.rollout === undefined) return;
  throw new ImgkitError('FAILED_PRECONDITION', `a rollout of fleet "${fleet.name}" goes on`, {
    resource: fleet.id,
    hint: 'Wait for its end, or roll it back.',
  });
}

function noRollout(fleet: FleetRow): ImgkitError {
  return new ImgkitError('FAILED_PRECONDITION', `fleet "${fleet.name}" has no rollout`, {
    resource: fleet.id,
    hint: 'Only what goes on can be paused.',
  });
}

function checkCount(size: number): void {
  if (Number.isSafeInteger(size) && size >= 0) return;
  throw new ImgkitError('INVALID_ARGUMENT', `a fleet can't have ${size} machines`, {
    hint: 'Give a whole number that is not negative.',
  });
}
