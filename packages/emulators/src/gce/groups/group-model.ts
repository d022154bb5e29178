/** What a machine of a group is made of: a template, under a name that the group's owner gave that use of it. */
export interface GroupVersion {
  readonly name: string;
  readonly template: string;
}

/** A version, and how many machines there shall be of it. */
export interface VersionShare extends GroupVersion {
  readonly count: number;
}

/**
 * What a group does with a machine. `NONE` is one that runs as it should; only `NONE` and
 * `REFRESHING` machines serve.
 */
export type MemberAction =
  | 'NONE'
  | 'CREATING'
  | 'RECREATING'
  | 'RESTARTING'
  | 'REFRESHING'
  | 'DELETING'
  | 'ABANDONING';

/** One machine of a group: a running one, or one that the group is making. */
export interface Member {
  readonly name: string;
  readonly zone: string;
  /** What it is made of, or is being made of. */
  readonly version: GroupVersion;
  readonly action: MemberAction;
}

/** How far a machine is disturbed, from not at all to being thrown away. */
export const disruptions = ['NONE', 'REFRESH', 'RESTART', 'REPLACE'] as const;

/** One of {@link disruptions}. */
export type Disruption = (typeof disruptions)[number];

/** What a group shall become, and within which bounds. */
export interface GroupGoal {
  /** How many machines. */
  readonly size: number;
  /** Of what; the counts add up to the size. */
  readonly versions: readonly VersionShare[];
  /** Where; one for a zonal group. */
  readonly zones: readonly string[];
  /** Whether machines that stand are brought to their version, or only new ones are made of it. */
  readonly proactive: boolean;
  /** How many machines more than the size may stand. */
  readonly maxSurge: number;
  /** How many machines fewer than the size may serve. */
  readonly maxUnavailable: number;
  /** Whether a machine is replaced by one of the same name. */
  readonly recreate: boolean;
  /** How a machine gets from one version to another; `undefined` when the policy forbids what it takes. */
  readonly disruption: (from: GroupVersion, to: GroupVersion) => Disruption | undefined;
}

/** One thing that a group does next. */
export type GroupStep =
  | { readonly kind: 'create'; readonly zone: string; readonly version: GroupVersion }
  | { readonly kind: 'delete'; readonly name: string }
  | {
      readonly kind: 'recreate' | 'restart' | 'refresh';
      readonly name: string;
      readonly version: GroupVersion;
    };

/** Whether two machines are made of the same. */
export function sameVersion(a: GroupVersion, b: GroupVersion): boolean {
  return a.name === b.name && a.template === b.template;
}

/** Whether a machine serves: it runs, and nothing is done to it that stops it. */
export function isAvailable({ action }: Pick<Member, 'action'>): boolean {
  return action === 'NONE' || action === 'REFRESHING';
}

/** Whether a machine is on its way out of the group. */
export function isLeaving({ action }: Pick<Member, 'action'>): boolean {
  return action === 'DELETING' || action === 'ABANDONING';
}
