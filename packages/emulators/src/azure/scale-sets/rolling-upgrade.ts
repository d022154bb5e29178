import { setProperties, type Stored, type World } from '../state.ts';
import {
  applyModel,
  instanceIdOf,
  isHealthy,
  isLatestModel,
  makeMember,
  memberOf,
  membersOf,
  recordOf,
  removeMember,
  settleMember,
  takeBack,
} from './members.ts';
import type { ChosenImage, UpgradeRecord } from './records.ts';
import { pauseMs, rollingPolicyOf } from './upgrade-policy.ts';

/** What is to be upgraded, and by whom. */
export interface UpgradePlan {
  readonly startedBy: 'User' | 'Platform';
  readonly target: ChosenImage;
  /** Whether it is an upgrade of the operating system, which the history keeps. */
  readonly system: boolean;
  readonly ended?: UpgradeRecord['ended'][number] | undefined;
}

/** Whether a rolling upgrade of a scale set goes on. */
export function isRolling(set: Stored): boolean {
  const code = set.scaleSet?.upgrade?.code;
  return code === 'RollingForward' || code === 'RollingBack';
}

/** The machines that an upgrade has to do: those of another model, or of another version. */
export function outdated(world: World, set: Stored, target: ChosenImage): readonly Stored[] {
  return membersOf(world, set).filter(
    (member) => !isLatestModel(set, member) || memberOf(member).image.id !== target.id,
  );
}

/**
 * Starts a rolling upgrade: batch by batch, in place or by surge, with a look at the health before and after each.
 * https://learn.microsoft.com/azure/virtual-machine-scale-sets/virtual-machine-scale-sets-upgrade-policy
 */
export function startRollingUpgrade(world: World, set: Stored, plan: UpgradePlan): UpgradeRecord {
  const now = new Date(world.clock.now()).toISOString();
  const upgrade: UpgradeRecord = {
    startedAt: now,
    startedBy: plan.startedBy,
    policy: rollingPolicyOf(set, plan.startedBy),
    target: plan.target,
    code: 'RollingForward',
    lastAction: 'Start',
    lastActionTime: now,
    successful: 0,
    failed: 0,
    inProgress: 0,
    pending: outdated(world, set, plan.target).length,
    ended: plan.ended === undefined ? [] : [plan.ended],
  };
  const record = recordOf(set);
  record.upgrade = upgrade;
  if (plan.system) record.history.push(upgrade);
  new RollingUpgrade(world, set, upgrade).next();
  return upgrade;
}

/** Asks a rolling upgrade to end after the batch it is at. */
export function cancelUpgrade(world: World, upgrade: UpgradeRecord): void {
  upgrade.lastAction = 'Cancel';
  upgrade.lastActionTime = new Date(world.clock.now()).toISOString();
}

class RollingUpgrade {
  readonly #world: World;
  readonly #set: Stored;
  readonly #upgrade: UpgradeRecord;
  /** The machines that were upgraded, or made in the place of others. */
  readonly #upgraded: Stored[] = [];
  readonly #tried = new Set<Stored>();

  constructor(world: World, set: Stored, upgrade: UpgradeRecord) {
    this.#world = world;
    this.#set = set;
    this.#upgrade = upgrade;
  }

  /** Begins the next batch, or ends. */
  next(): void {
    const { policy, target, lastAction } = this.#upgrade;
    if (lastAction === 'Cancel') return this.#end('Cancelled');
    const all = membersOf(this.#world, this.#set);
    const unhealthy = percent(all.filter((member) => !this.#isHealthy(member)).length, all.length);
    const waiting = outdated(this.#world, this.#set, target).filter((one) => !this.#tried.has(one));
    if (waiting.length === 0) return this.#end('Completed');
    if (unhealthy > policy.maxUnhealthyInstancePercent)
      return this.#breach('MaxUnhealthyInstancePercent', unhealthy, '');
    const size = Math.max(1, Math.floor((policy.maxBatchInstancePercent / 100) * all.length));
    const ordered = policy.prioritizeUnhealthyInstances
      ? waiting.toSorted((a, b) => Number(this.#isHealthy(a)) - Number(this.#isHealthy(b)))
      : waiting;
    const batch = ordered.slice(0, size);
    for (const member of batch) this.#tried.add(member);
    this.#count(batch.length);
    const fresh = policy.maxSurge
      ? batch.map(() => makeMember(this.#world, this.#set, target))
      : batch;
    for (const member of batch) setProperties(member, { provisioningState: 'Updating' });
    const rpc = 'VirtualMachineScaleSetRollingUpgrades.Batch';
    const ms = this.#world.operationMs({ rpc, id: this.#set.id });
    this.#world.clock.after(ms, () => this.#finish(batch, fresh));
  }

  /** A batch is done: how is it? */
  #finish(batch: readonly Stored[], fresh: readonly Stored[]): void {
    const { policy, target } = this.#upgrade;
    if (this.#isGone) return this.#end('Cancelled');
    for (const member of fresh) {
      if (!policy.maxSurge) applyModel(this.#world, this.#set, member, target);
      settleMember(member);
      this.#upgraded.push(member);
    }
    const failed = fresh.filter((member) => !this.#isHealthy(member));
    for (const [index, member] of batch.entries()) {
      setProperties(member, { provisioningState: 'Succeeded' });
      const substitute = policy.maxSurge ? fresh[index] : undefined;
      if (substitute === undefined) continue;
      // What isn't well in the place of another goes again, and the other stays.
      removeMember(this.#world, failed.includes(substitute) ? substitute : member);
    }
    this.#upgrade.failed += failed.length;
    this.#upgrade.successful += fresh.length - failed.length;
    this.#count(0);
    const unhealthy = percent(
      this.#upgraded.filter((member) => !this.#isHealthy(member)).length,
      this.#upgraded.length,
    );
    if (unhealthy > policy.maxUnhealthyUpgradedInstancePercent)
      return this.#breach('MaxUnhealthyUpgradedInstancePercent', unhealthy, first(failed));
    this.#world.clock.after(pauseMs(policy), () => {
      if (this.#isGone) this.#end('Cancelled');
      else this.next();
    });
  }

  /** The policy is broken: the upgrade ends, and what failed may go back. */
  #breach(
    bound: 'MaxUnhealthyInstancePercent' | 'MaxUnhealthyUpgradedInstancePercent',
    unhealthy: number,
    firstFailed: string,
  ): void {
    const { policy } = this.#upgrade;
    const limit =
      policy[
        bound === 'MaxUnhealthyInstancePercent'
          ? 'maxUnhealthyInstancePercent'
          : 'maxUnhealthyUpgradedInstancePercent'
      ];
    const when = bound === 'MaxUnhealthyInstancePercent' ? '' : ' after being upgraded';
    this.#upgrade.error = {
      code: `${bound}ExceededInRollingUpgrade`,
      message: `Rolling Upgrade failed after exceeding the ${bound} value defined in the RollingUpgradePolicy. ${unhealthy}% of instances are in an unhealthy state${when} - more than the threshold of ${limit}%. The most impactful error is: Instance found to be unhealthy or unreachable.${firstFailed}`,
    };
    const failed = this.#upgraded.filter((member) => !this.#isHealthy(member));
    if (!policy.rollbackFailedInstancesOnPolicyBreach || policy.maxSurge || failed.length === 0)
      return this.#end('Faulted');
    this.#upgrade.code = 'RollingBack';
    const rpc = 'VirtualMachineScaleSetRollingUpgrades.Batch';
    this.#world.clock.after(this.#world.operationMs({ rpc, id: this.#set.id }), () => {
      const back = failed.filter((member) => takeBack(this.#world, this.#set, member));
      this.#upgrade.rolledBack = back.length;
      this.#end('Faulted');
    });
  }

  #end(code: UpgradeRecord['code']): void {
    this.#upgrade.code = code;
    this.#upgrade.endedAt = new Date(this.#world.clock.now()).toISOString();
    this.#count(0);
    for (const ended of this.#upgrade.ended) ended(this.#upgrade.error, code === 'Cancelled');
  }

  #count(inProgress: number): void {
    const left = outdated(this.#world, this.#set, this.#upgrade.target);
    this.#upgrade.inProgress = inProgress;
    this.#upgrade.pending = Math.max(0, left.filter((member) => !this.#tried.has(member)).length);
  }

  /** Whether a machine is well; one that is being made isn't asked. */
  #isHealthy(member: Stored): boolean {
    return isHealthy(this.#world, member);
  }

  get #isGone(): boolean {
    return this.#world.resources.find(this.#set.id) !== this.#set;
  }
}

function percent(part: number, whole: number): number {
  return whole === 0 ? 0 : Math.round((part / whole) * 100);
}

function first([failed]: readonly Stored[]): string {
  return failed === undefined ? '' : ` First failed instance ID is: ${instanceIdOf(failed)}.`;
}
