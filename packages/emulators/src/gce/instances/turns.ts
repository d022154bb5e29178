const last = new WeakMap<object, Promise<unknown>>();

/** Does what is done to a thing one after the other: a machine is deleted when its launch is over, and not meanwhile. */
export function inTurn<T>(thing: object, work: () => Promise<T>): Promise<T> {
  const before = last.get(thing);
  const turn = before ? before.then(work, work) : work();
  last.set(
    thing,
    turn.catch(() => undefined),
  );
  return turn;
}
