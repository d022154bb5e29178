import type { Fleet, RolloutRequest } from '../../spec/capabilities/fleets.ts';
import type { MachineTemplate } from '../../spec/capabilities/instances.ts';
import { ImgkitError } from '../../spec/errors.ts';
import type { Begun, MemoryContext } from './context.ts';
import {
  addMembers,
  membersOf,
  removeMembers,
  sameTemplate,
  switchOnMembers,
  targetOf,
} from './fleet-members.ts';
import { showFleet } from './fleet-view.ts';
import type { Job } from './job.ts';
import type { FleetRow } from './records.ts';

/** How many machines may be replaced at a time. */
export interface RolloutBounds {
  readonly surge: number;
  readonly unavailable: number;
  /** How many machines shall be of the new template in the end. */
  readonly replacements: number;
}

/** Checks the bounds of a rollout, and fills in what was left out. */
export function rolloutBounds(
  { cloud }: MemoryContext,
  fleet: FleetRow,
  request: Omit<RolloutRequest, 'fleet' | 'template'>,
): RolloutBounds {
  const { fleets: traits } = cloud.traits;
  const surge = request.maxSurge ?? (traits.surge ? 1 : 0);
  const unavailable = request.maxUnavailable ?? (traits.surge ? 0 : 1);
  const { canary = fleet.size } = request;
  for (const count of [surge, unavailable, canary]) {
    if (Number.isSafeInteger(count) && count >= 0) continue;
    throw new ImgkitError('INVALID_ARGUMENT', `${count} isn't a number of machines`, {
      hint: 'Give whole numbers that are not negative.',
    });
  }
  if (surge + unavailable === 0) {
    throw new ImgkitError('INVALID_ARGUMENT', 'maxSurge and maxUnavailable are both 0', {
      hint: 'Let at least one of them be 1: no machine could be replaced.',
    });
  }
  if ((surge > 0 && !traits.surge) || (request.canary !== undefined && !traits.canary)) {
    const what = surge > 0 && !traits.surge ? 'maxSurge' : 'canary';
    throw new ImgkitError('UNSUPPORTED', `rollouts have no ${what} here`, {
      hint: `Leave ${what} out.`,
    });
  }
  return { surge, unavailable, replacements: Math.min(canary, fleet.size) };
}

/** Begins to replace the machines of a fleet, batch by batch. */
export function beginRollout(
  context: MemoryContext,
  operation: string,
  fleet: FleetRow,
  template: MachineTemplate,
  bounds: RolloutBounds,
): Begun<Fleet> {
  const earlier = fleet.templates.filter(
    (known, index) => index < fleet.templates.length - 1 || !sameTemplate(known, template),
  );
  fleet.templates = [...earlier, template];
  fleet.status = 'ROLLING';
  const old = (count: number) =>
    membersOf(context, fleet)
      .filter((member) => !sameTemplate(member.template, targetOf(fleet)))
      .slice(0, count)
      .map(({ instance }) => instance);
  const parts: (() => void)[] = [];
  const step = (): boolean => {
    if (parts.length === 0) parts.push(...nextBatch());
    const part = parts.shift();
    part?.();
    if (part !== undefined) return true;
    fleet.status = 'STABLE';
    fleet.rollout = undefined;
    return false;
  };
  /** Takes away as many as may be missing, starts their replacements and the surge, takes the rest away. */
  const nextBatch = (): readonly (() => void)[] => {
    const standing = membersOf(context, fleet).length;
    const replaced = standing - old(standing).length;
    const batch = Math.min(bounds.surge + bounds.unavailable, bounds.replacements - replaced);
    if (batch <= 0) return [];
    const first = Math.min(bounds.unavailable, batch);
    return [
      () => removeMembers(context, fleet, old(first)),
      () => {
        addMembers(context, fleet, template, batch, job);
        switchOnMembers(context, fleet);
      },
      () => removeMembers(context, fleet, old(batch - first)),
    ];
  };
  const job: Job = context.cloud.begin(context.project, operation, {
    title: `rollout of fleet ${fleet.name}`,
    step,
    failed: () => {
      fleet.status = 'FAILED';
      fleet.rollout = undefined;
    },
    value: (viewer) => showFleet(fleet, viewer),
  });
  fleet.rollout = job;
  return { job, value: () => showFleet(fleet, context) };
}
