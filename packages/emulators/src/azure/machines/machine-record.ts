/** Whether a machine runs, as Azure's instance views say it. */
export type Power =
  | 'starting'
  | 'running'
  | 'stopping'
  | 'stopped'
  | 'deallocating'
  | 'deallocated'
  | 'unknown';

/** What a machine is beside what is told of it. */
export interface MachineRecord {
  power: Power;
  /** Set once and for all: it never starts again. */
  generalized: boolean;
  /** What its guest was told at its making; nothing of it is ever told again. */
  readonly customData: string | undefined;
  userData: string | undefined;
  /** Whether a real machine was launched for it. */
  launched: boolean;
  /** What was printed where no real machine prints. */
  printed: string;
  /** Since when it is as it is. */
  since: string;
}

/** What is new of a machine. */
export function newMachineRecord(
  since: string,
  secrets: Pick<MachineRecord, 'customData' | 'userData'>,
): MachineRecord {
  return { ...secrets, power: 'starting', generalized: false, launched: false, printed: '', since };
}

const last = new WeakMap<MachineRecord, Promise<unknown>>();

/** Does what is done to a machine one after the other: it is deleted when its launch is over, and not meanwhile. */
export function inTurn(machine: MachineRecord, work: () => Promise<void>): Promise<void> {
  const turn = (last.get(machine) ?? Promise.resolve()).then(work, work);
  last.set(
    machine,
    turn.catch(() => undefined),
  );
  return turn;
}
