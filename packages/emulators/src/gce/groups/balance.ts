import {
  isAvailable,
  isLeaving,
  sameVersion,
  type GroupGoal,
  type GroupVersion,
  type Member,
} from './group-model.ts';

/** Which machines of a group are too many, and of which versions there are too few. */
export interface Balance {
  /** Machines that must go or change, those that don't serve first. */
  readonly surplus: readonly Member[];
  /** What is missing: a version that lacks two machines is there twice. */
  readonly missing: readonly GroupVersion[];
  /** Machines that stay as they are. */
  readonly staying: readonly Member[];
}

/** Compares what a group has with what it shall have. */
export function balanceOf(goal: GroupGoal, members: readonly Member[]): Balance {
  const live = members.filter((member) => !isLeaving(member));
  const staying: Member[] = [];
  const missing: GroupVersion[] = [];
  for (const { name, template, count } of goal.versions) {
    const version = { name, template };
    const have = live.filter((member) => sameVersion(member.version, version));
    const kept = evenly(have, staying, count);
    staying.push(...kept);
    for (let lacking = count - kept.length; lacking > 0; lacking--) missing.push(version);
  }
  const surplus = live
    .filter((member) => !staying.includes(member))
    .toSorted((a, b) => Number(isAvailable(a)) - Number(isAvailable(b)));
  return { surplus: fullestFirst(surplus, live), missing, staying };
}

/** The zone that has the fewest of some machines. */
export function emptiestZone(zones: readonly string[], machines: readonly Member[]): string {
  const counts = zones.map((zone) => machines.filter((machine) => machine.zone === zone).length);
  return zones[counts.indexOf(Math.min(...counts))] ?? '';
}

/** Picks machines to keep: such that serve first, and spread over zones together with those already kept. */
function evenly(have: readonly Member[], kept: readonly Member[], count: number): Member[] {
  const left = have.toSorted((a, b) => Number(isAvailable(b)) - Number(isAvailable(a)));
  const picked: Member[] = [];
  while (picked.length < count && left.length > 0) {
    const serving = left.filter((one) => isAvailable(one) === isAvailable(left[0] ?? one));
    const zones = [...new Set(serving.map(({ zone }) => zone))];
    const zone = emptiestZone(zones, [...kept, ...picked]);
    const index = left.findIndex((one) => one.zone === zone && serving.includes(one));
    picked.push(...left.splice(index, 1));
  }
  return picked;
}

/** Orders machines so that taking them away one by one keeps the zones even; those that don't serve stay in front. */
function fullestFirst(surplus: readonly Member[], live: readonly Member[]): Member[] {
  const standing = [...live];
  const left = [...surplus];
  const ordered: Member[] = [];
  while (left.length > 0) {
    const serving = isAvailable(left[0] ?? { action: 'NONE' });
    const counts = left.map((one) =>
      isAvailable(one) === serving ? standing.filter(({ zone }) => zone === one.zone).length : -1,
    );
    const [next] = left.splice(counts.indexOf(Math.max(...counts)), 1);
    if (next === undefined) break;
    standing.splice(standing.indexOf(next), 1);
    ordered.push(next);
  }
  return ordered;
}
