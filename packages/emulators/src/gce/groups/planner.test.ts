import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import {
  isAvailable,
  isLeaving,
  sameVersion,
  type GroupGoal,
  type GroupStep,
  type GroupVersion,
  type Member,
} from './group-model.ts';
import { planGroup } from './planner.ts';

const one: GroupVersion = { name: '', template: 'one' };
const two: GroupVersion = { name: '', template: 'two' };

function goal(wishes: Partial<GroupGoal> & { readonly size: number }): GroupGoal {
  return {
    versions: [{ ...two, count: wishes.size }],
    zones: ['a'],
    proactive: true,
    maxSurge: 1,
    maxUnavailable: 0,
    recreate: false,
    disruption: () => 'REPLACE',
    ...wishes,
  };
}

function running(count: number, version = one, zone = 'a'): Member[] {
  return Array.from({ length: count }, (_, index) => ({
    name: `${version.template}-${zone}-${index}`,
    zone,
    version,
    action: 'NONE' as const,
  }));
}

/** A group that does what was planned, one thing after the other. */
class Group {
  members: Member[];
  #made = 0;

  constructor(members: readonly Member[] = []) {
    this.members = [...members];
  }

  apply(steps: readonly GroupStep[]): void {
    for (const step of steps) {
      if (step.kind === 'create') {
        const { zone, version } = step;
        this.members.push({ name: `new-${this.#made++}`, zone, version, action: 'CREATING' });
      } else if (step.kind === 'delete') this.#set(step.name, { action: 'DELETING' });
      else {
        const actions = {
          recreate: 'RECREATING',
          restart: 'RESTARTING',
          refresh: 'REFRESHING',
        } as const;
        this.#set(step.name, { action: actions[step.kind], version: step.version });
      }
    }
  }

  /** Ends what is going on with one machine. */
  finish(name: string): void {
    const member = this.members.find((each) => each.name === name);
    if (member === undefined) return;
    if (isLeaving(member)) this.members.splice(this.members.indexOf(member), 1);
    else this.#set(name, { action: 'NONE' });
  }

  get busy(): string[] {
    return this.members.filter(({ action }) => action !== 'NONE').map(({ name }) => name);
  }

  get available(): number {
    return this.members.filter(isAvailable).length;
  }

  count(version: GroupVersion): number {
    return this.members.filter((member) => sameVersion(member.version, version)).length;
  }

  #set(name: string, change: Partial<Member>): void {
    this.members = this.members.map((member) =>
      member.name === name ? { ...member, ...change } : member,
    );
  }
}

/** Plans and finishes until nothing is left to do. */
function settle(group: Group, target: GroupGoal): void {
  for (let round = 0; round < 500; round++) {
    const steps = planGroup(target, group.members);
    group.apply(steps);
    const [next] = group.busy;
    if (next === undefined) {
      if (steps.length === 0) return;
    } else group.finish(next);
  }
  throw new Error('the group never settles');
}

describe('a plan', () => {
  it('makes what is missing, spread over the zones', () => {
    const target = goal({ size: 5, zones: ['a', 'b', 'c'], maxSurge: 0, maxUnavailable: 1 });
    const zones = planGroup(target, []).map((step) => (step.kind === 'create' ? step.zone : ''));
    expect(zones).toEqual(['a', 'b', 'c', 'a', 'b']);
  });

  it('makes the new machine first when none may be missing', () => {
    const group = new Group(running(3));
    const target = goal({ size: 3 });
    expect(planGroup(target, group.members)).toEqual([{ kind: 'create', zone: 'a', version: two }]);
    group.apply(planGroup(target, group.members));
    expect(planGroup(target, group.members), 'it waits until the new one serves').toEqual([]);
    group.finish('new-0');
    expect(planGroup(target, group.members)).toEqual([{ kind: 'delete', name: 'one-a-0' }]);
  });

  it('removes first when no machine may be too many', () => {
    const group = new Group(running(3));
    const target = goal({ size: 3, maxSurge: 0, maxUnavailable: 1 });
    group.apply(planGroup(target, group.members));
    expect(group.busy).toEqual(['one-a-0']);
    expect(planGroup(target, group.members), 'the old one still stands').toEqual([]);
    group.finish('one-a-0');
    expect(planGroup(target, group.members)).toEqual([{ kind: 'create', zone: 'a', version: two }]);
  });

  it('leaves standing machines alone when it is opportunistic, and makes new ones of the new version', () => {
    const target = goal({ size: 4, proactive: false });
    expect(planGroup(target, running(4))).toEqual([]);
    expect(planGroup(target, running(3))).toEqual([{ kind: 'create', zone: 'a', version: two }]);
  });

  it('keeps a canary to its share', () => {
    const versions = [
      { ...one, count: 4 },
      { ...two, count: 1 },
    ];
    const group = new Group(running(5));
    settle(group, goal({ size: 5, versions }));
    expect([group.count(one), group.count(two)]).toEqual([4, 1]);
  });

  it('goes back by removing first what never came up', () => {
    const members = [
      ...running(3),
      { name: 'bad', zone: 'a', version: two, action: 'CREATING' as const },
    ];
    const back = goal({ size: 3, versions: [{ ...one, count: 3 }] });
    expect(planGroup(back, members)).toEqual([{ kind: 'delete', name: 'bad' }]);
  });

  it('changes a machine in place when that is enough, and not at all when it is forbidden', () => {
    const refresh = goal({ size: 2, disruption: () => 'REFRESH' });
    expect(planGroup(refresh, running(2)).map(({ kind }) => kind)).toEqual(['refresh', 'refresh']);
    const restart = goal({ size: 2, maxUnavailable: 1, disruption: () => 'RESTART' });
    expect(planGroup(restart, running(2)).map(({ kind }) => kind)).toEqual(['restart']);
    const forbidden = goal({ size: 2, disruption: () => undefined });
    expect(planGroup(forbidden, running(2))).toEqual([]);
  });

  it('keeps the names when machines are recreated', () => {
    const group = new Group(running(3));
    settle(group, goal({ size: 3, recreate: true, maxSurge: 0, maxUnavailable: 2 }));
    expect(group.members.map(({ name }) => name)).toEqual(running(3).map(({ name }) => name));
    expect(group.count(two)).toBe(3);
  });
});

const goals = fc
  .record({
    size: fc.nat(8),
    canary: fc.nat(8),
    old: fc.constantFrom('one', 'two'),
    zones: fc.constantFrom(['a'], ['a', 'b'], ['a', 'b', 'c']),
    proactive: fc.boolean(),
    bounds: fc.constantFrom([1, 0], [0, 1], [1, 1], [3, 0], [0, 3], [2, 2]),
    recreate: fc.boolean(),
    disruption: fc.constantFrom('REFRESH' as const, 'RESTART' as const, 'REPLACE' as const),
  })
  .map(({ size, canary, old, zones, proactive, bounds, recreate, disruption }): GroupGoal => {
    const count = Math.min(canary, size);
    const [maxSurge = 0, maxUnavailable = 0] = bounds;
    // In place needs machines that may be missing; Google asks for it too.
    const inPlace = recreate || disruption === 'RESTART';
    return {
      size,
      versions: [
        { name: '', template: old, count: size - count },
        { name: '', template: old === 'one' ? 'two' : 'three', count },
      ],
      zones,
      proactive,
      maxSurge: recreate ? 0 : maxSurge,
      maxUnavailable: inPlace ? Math.max(1, maxUnavailable) : maxUnavailable,
      recreate,
      disruption: () => disruption,
    };
  });

describe('any history of a group', () => {
  it('keeps the bounds at every step', () => {
    const history = fc.array(fc.record({ goal: goals, finished: fc.array(fc.nat(20)) }), {
      minLength: 1,
      maxLength: 5,
    });
    fc.assert(
      fc.property(history, (chapters) => {
        const group = new Group();
        for (const { goal: target, finished } of chapters) {
          for (const pick of [...finished, 0]) {
            const { available, members } = group;
            const steps = planGroup(target, members);
            group.apply(steps);
            const most = target.size + target.maxSurge;
            expect(group.members.length).toBeLessThanOrEqual(Math.max(most, members.length));
            const least = target.size - target.maxUnavailable;
            expect(group.available).toBeGreaterThanOrEqual(Math.min(least, available));
            const { busy } = group;
            group.finish(busy[pick % Math.max(1, busy.length)] ?? '');
          }
        }
      }),
      { numRuns: 300 },
    );
  });

  it('ends at the goal, with every version at its share, and rests there', () => {
    fc.assert(
      fc.property(fc.array(goals, { minLength: 1, maxLength: 4 }), fc.nat(6), (targets, hasty) => {
        const group = new Group();
        for (const [index, target] of targets.entries()) {
          const last = index === targets.length - 1;
          const final = last ? { ...target, proactive: true } : target;
          if (last || index !== hasty) settle(group, final);
          else group.apply(planGroup(final, group.members)); // the next goal comes before this one is reached
          if (!last) continue;
          expect(group.members.length).toBe(final.size);
          for (const version of final.versions) expect(group.count(version)).toBe(version.count);
          expect(planGroup(final, group.members)).toEqual([]);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('spreads a fresh group, and one that is rolled out, evenly over its zones', () => {
    fc.assert(
      fc.property(goals, ({ size, zones, maxUnavailable }) => {
        const target = goal({ size, zones, maxUnavailable });
        const group = new Group();
        settle(group, { ...target, versions: [{ ...one, count: target.size }] });
        settle(group, { ...target, versions: [{ ...two, count: target.size }] });
        const counts = target.zones.map(
          (zone) => group.members.filter((member) => member.zone === zone).length,
        );
        expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
      }),
      { numRuns: 100 },
    );
  });
});
