import type { JsonObject } from '../../control-plane/json.ts';
import type { OpenOperation } from '../operations.ts';

// What scale sets know beside what they answer.

/** The image that a machine boots from. */
export interface ChosenImage {
  /** As the model names it. */
  readonly reference: JsonObject;
  /** The version that it stands for; nothing for an image without versions. */
  readonly exactVersion: string | undefined;
  /** The id of what the disks are made of. */
  readonly id: string;
}

/** What a machine of a scale set was made of. */
export interface MemberRecord {
  /** The model that was applied to it last. */
  model: string;
  image: ChosenImage;
  /** What it was of before its last upgrade: what a rollback goes to. */
  before?: { readonly model: string; readonly image: ChosenImage } | undefined;
}

/** A scale set. */
export interface ScaleSetRecord {
  /** The number of the next machine: none is given twice. */
  nextInstance: number;
  /** What can be written and never read: custom data, passwords. */
  secrets: string;
  /** What is going on; a newer operation ends it. */
  current?: OpenOperation | undefined;
  /** The last rolling upgrade, going on or not. */
  upgrade?: UpgradeRecord | undefined;
  /** The upgrades of the operating system that were begun, the newest last. */
  readonly history: UpgradeRecord[];
}

/** A rolling upgrade. */
export interface UpgradeRecord {
  readonly startedAt: string;
  readonly startedBy: 'User' | 'Platform';
  readonly policy: RollingPolicy;
  readonly target: ChosenImage;
  code: 'RollingForward' | 'RollingBack' | 'Cancelled' | 'Completed' | 'Faulted';
  lastAction: 'Start' | 'Cancel';
  lastActionTime: string;
  endedAt?: string;
  successful: number;
  failed: number;
  inProgress: number;
  pending: number;
  error?: { readonly code: string; readonly message: string };
  /** How many machines went back to what they were of before. */
  rolledBack?: number;
  /** Called when it is over. */
  readonly ended: ((error: UpgradeRecord['error'], cancelled: boolean) => void)[];
}

/** How a rolling upgrade goes about: in percent of all machines, and in ms. */
export interface RollingPolicy {
  readonly maxBatchInstancePercent: number;
  readonly maxUnhealthyInstancePercent: number;
  readonly maxUnhealthyUpgradedInstancePercent: number;
  /** ISO 8601: `PT30S`. */
  readonly pauseTimeBetweenBatches: string;
  readonly prioritizeUnhealthyInstances: boolean;
  readonly rollbackFailedInstancesOnPolicyBreach: boolean;
  readonly maxSurge: boolean;
}
