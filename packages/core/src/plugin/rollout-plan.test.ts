import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { nextRolloutStep, type RolloutGoal, type RolloutMember } from './rollout-plan.ts';

const counts = fc.nat(6);
const fleets = fc.array(fc.record({ target: fc.boolean(), running: fc.boolean() }), {
  maxLength: 8,
});
const goals = fc
  .record({
    size: counts,
    maxSurge: fc.nat(3),
    maxUnavailable: fc.nat(3),
    canary: fc.option(counts, { nil: undefined }),
  })
  .filter(({ maxSurge, maxUnavailable }) => maxSurge + maxUnavailable > 0);

/** Carries the steps out until there are none, and gives all states on the way. */
function carryOut(start: readonly RolloutMember[], goal: RolloutGoal): RolloutMember[][] {
  const states = [[...start]];
  for (let made = 0; made < 200; made++) {
    const members = states.at(-1) ?? [];
    const step = nextRolloutStep(members, goal);
    if (step.kind === 'done') return states;
    const next =
      step.kind === 'add'
        ? [
            ...members,
            ...Array.from({ length: step.count }, (_, i) => ({
              id: `new-${made}-${i}`,
              target: true,
              running: true,
            })),
          ]
        : members.filter(({ id }) => !step.ids.includes(id));
    expect(next.length).not.toBe(members.length);
    states.push(next);
  }
  throw new Error('the rollout never ends');
}

const members = (list: readonly { target: boolean; running: boolean }[]): RolloutMember[] =>
  list.map((member, index) => ({ ...member, id: `m-${index}` }));

describe('nextRolloutStep', () => {
  it('always ends with the size that is wanted, of machines that run', () => {
    fc.assert(
      fc.property(fleets, goals, (start, goal) => {
        const end = carryOut(members(start), goal).at(-1) ?? [];
        expect(end).toHaveLength(goal.size);
        expect(end.every(({ running }) => running)).toBe(true);
        expect(goal.canary !== undefined || end.every(({ target }) => target)).toBe(true);
      }),
    );
  });

  it('never has more machines than the surge allows, once it has so few', () => {
    fc.assert(
      fc.property(fleets, goals, (start, goal) => {
        const most = Math.max(start.length, goal.size + goal.maxSurge);
        for (const state of carryOut(members(start), goal))
          expect(state.length).toBeLessThanOrEqual(most);
      }),
    );
  });

  it('never takes running machines away below what may be missing', () => {
    fc.assert(
      fc.property(fleets, goals, (start, goal) => {
        const least = Math.min(
          start.filter(({ running }) => running).length,
          goal.size - goal.maxUnavailable,
        );
        for (const state of carryOut(members(start), goal)) {
          expect(state.filter(({ running }) => running).length).toBeGreaterThanOrEqual(least);
        }
      }),
    );
  });

  it('replaces only as many as the canary says, and keeps machines that are of the template', () => {
    const start = members([false, false, false, true].map((target) => ({ target, running: true })));
    const goal = { size: 4, maxSurge: 1, maxUnavailable: 0 };
    const ends = (canary?: number) =>
      (carryOut(start, { ...goal, canary }).at(-1) ?? []).map(({ id }) => id);
    expect(ends(2)).toEqual(expect.arrayContaining(['m-1', 'm-2', 'm-3']));
    expect(ends(2)).toHaveLength(4);
    expect(ends(0)).toEqual(['m-0', 'm-1', 'm-2', 'm-3']);
    expect(ends()).toContain('m-3');
  });

  it('adds before it removes when none may be missing', () => {
    const start = members([{ target: false, running: true }]);
    expect(nextRolloutStep(start, { size: 1, maxSurge: 1, maxUnavailable: 0 })).toEqual({
      kind: 'add',
      count: 1,
    });
    expect(nextRolloutStep(start, { size: 1, maxSurge: 0, maxUnavailable: 1 })).toEqual({
      kind: 'remove',
      ids: ['m-0'],
    });
  });
});
