import { balanceOf, emptiestZone } from './balance.ts';
import {
  isAvailable,
  isLeaving,
  type GroupGoal,
  type GroupStep,
  type GroupVersion,
  type Member,
} from './group-model.ts';

/**
 * Tells what a group does next. Carrying the steps out and planning again, until there is none, brings
 * the group to its goal. On the way never more than `size + maxSurge` machines are made to stand, those
 * that are just going included, and no step leaves fewer than `size - maxUnavailable` that serve.
 *
 * @see https://cloud.google.com/compute/docs/instance-groups/updating-migs#configure_options_for_your_update
 */
export function planGroup(goal: GroupGoal, members: readonly Member[]): readonly GroupStep[] {
  return new Planning(goal, members).steps();
}

class Planning {
  readonly #goal: GroupGoal;
  readonly #surplus: Member[];
  readonly #missing: GroupVersion[];
  readonly #placed: Member[];
  readonly #steps: GroupStep[] = [];
  readonly #live: number;
  /** How many more machines may be made. */
  #room: number;
  /** How many of the machines that serve may be disturbed. */
  #budget: number;

  constructor(goal: GroupGoal, members: readonly Member[]) {
    const { surplus, missing, staying } = balanceOf(goal, members);
    this.#goal = goal;
    this.#surplus = [...surplus];
    this.#missing = [...missing];
    this.#placed = [...staying];
    this.#live = members.filter((member) => !isLeaving(member)).length;
    this.#room = goal.size + goal.maxSurge - members.length;
    const available = members.filter(isAvailable).length;
    this.#budget = available - Math.max(0, goal.size - goal.maxUnavailable);
  }

  steps(): readonly GroupStep[] {
    this.#fill();
    this.#shrink();
    if (this.#goal.proactive) this.#update();
    return this.#steps;
  }

  /** Makes the machines that the group lacks. */
  #fill(): void {
    for (let lacking = this.#goal.size - this.#live; lacking > 0; lacking--) {
      const version = this.#missing.shift();
      if (version === undefined || !this.#create(version)) return;
    }
  }

  /** Removes machines above the size. */
  #shrink(): void {
    for (let excess = this.#live - this.#goal.size; excess > 0; excess--) {
      const member = this.#surplus.shift();
      if (member === undefined) return;
      if (!isAvailable(member)) this.#delete(member);
      else if (this.#budget > 0) this.#disturb(member);
    }
  }

  /** Brings machines from what they are to what is missing. */
  #update(): void {
    for (const member of this.#surplus) {
      const version = this.#missing.shift();
      if (version === undefined) return;
      const disruption = this.#goal.disruption(member.version, version);
      if (disruption === undefined) continue;
      if (member.action === 'CREATING' || member.action === 'RECREATING') {
        if (this.#goal.recreate) this.#change('recreate', member, version);
        else this.#delete(member);
      } else if (member.action !== 'NONE') {
        continue; // something is being done to it: it is changed afterwards
      } else if (disruption === 'NONE' || disruption === 'REFRESH') {
        this.#change('refresh', member, version);
      } else if (disruption === 'REPLACE' && !this.#goal.recreate) {
        if (!this.#create(version) && this.#budget > 0) this.#disturb(member);
      } else if (this.#budget > 0) {
        this.#budget -= 1;
        this.#change(disruption === 'RESTART' ? 'restart' : 'recreate', member, version);
      }
    }
  }

  #create(version: GroupVersion): boolean {
    if (this.#room <= 0) return false;
    this.#room -= 1;
    const zone = emptiestZone(this.#goal.zones, this.#placed);
    this.#placed.push({ name: '', zone, version, action: 'CREATING' });
    this.#steps.push({ kind: 'create', zone, version });
    return true;
  }

  #disturb(member: Member): void {
    this.#budget -= 1;
    this.#delete(member);
  }

  #delete({ name }: Member): void {
    this.#steps.push({ kind: 'delete', name });
  }

  #change(kind: 'recreate' | 'restart' | 'refresh', { name }: Member, version: GroupVersion): void {
    this.#steps.push({ kind, name, version });
  }
}
