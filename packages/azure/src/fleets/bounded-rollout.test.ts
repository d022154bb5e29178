import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { nextMove } from './bounded-rollout.ts';
import type { Member } from './fleet-view.ts';

/** A scale set in miniature: what is asked for happens at the next turn, or in part. */
class Machines {
  #next = 0;
  fresh: Member[] = [];
  old: Member[];

  constructor(size: number) {
    this.old = Array.from({ length: size }, () => this.#make('Succeeded'));
  }

  #make(state: string): Member {
    const number = String(this.#next++);
    const common = { id: number, number, reference: {}, size: undefined, latestModel: true };
    return { ...common, state, running: state === 'Succeeded', healthy: undefined };
  }

  grow(capacity: number): void {
    while (this.fresh.length + this.old.length < capacity) this.fresh.push(this.#make('Creating'));
  }

  remove(numbers: readonly string[]): void {
    const leave = (one: Member): Member =>
      numbers.includes(one.number) ? { ...one, state: 'Deleting' } : one;
    this.old = this.old.map(leave);
    this.fresh = this.fresh.map(leave);
  }

  /** Time passes: what was being made runs, what was going is gone; not all of it at once. */
  pass(some: number): void {
    const due = (index: number): boolean => (index + some) % 3 !== 0;
    this.fresh = this.fresh.map((one, index) =>
      one.state === 'Creating' && due(index) ? { ...one, state: 'Succeeded', running: true } : one,
    );
    this.old = this.old.filter((one, index) => one.state !== 'Deleting' || !due(index));
  }
}

describe('a rollout of imgkit’s', () => {
  it('keeps its bounds at every step, and comes to its end', () => {
    const bounds = fc
      .record({
        size: fc.integer({ min: 0, max: 9 }),
        surge: fc.integer({ min: 0, max: 3 }),
        unavailable: fc.integer({ min: 0, max: 3 }),
        canary: fc.integer({ min: 0, max: 9 }),
        turns: fc.infiniteStream(fc.integer({ min: 0, max: 2 })),
      })
      .filter(({ surge, unavailable }) => surge + unavailable > 0);
    fc.assert(
      fc.property(bounds, ({ size, surge, unavailable, canary, turns }) => {
        const goal = Math.min(canary, size);
        const machines = new Machines(size);
        for (let turn = 0; ; turn += 1) {
          expect(turn, 'it ends').toBeLessThan(200);
          const all = [...machines.fresh, ...machines.old];
          const ready = all.filter(({ state }) => state === 'Succeeded').length;
          expect(all.length).toBeLessThanOrEqual(size + surge);
          expect(ready).toBeGreaterThanOrEqual(size - unavailable);
          const move = nextMove({ size, surge, unavailable, goal }, machines.fresh, machines.old);
          if (move.kind === 'done') break;
          if (move.kind === 'grow') machines.grow(move.capacity);
          if (move.kind === 'remove') machines.remove(move.numbers);
          if (move.kind === 'wait') machines.pass((turns.next().value ?? 0) + turn);
        }
        expect(machines.fresh).toHaveLength(goal);
        expect(machines.old).toHaveLength(size - goal);
      }),
    );
  });
});
