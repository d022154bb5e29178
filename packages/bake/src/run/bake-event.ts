import type { ErrorCode, RunEvent } from '@imgkit/core';

/** The parts of a bake, in their order. */
export type BakePhase =
  | 'resolve'
  | 'launch'
  | 'boot'
  | 'provision'
  | 'seal'
  | 'capture'
  | 'verify'
  | 'publish';

/** What every event has. */
interface EventHead {
  /** The name of the provider it is about. */
  readonly provider: string;
  /** The run. */
  readonly runId: string;
  /** When, in milliseconds since the epoch. */
  readonly at: number;
  /** One line for people. */
  readonly message: string;
}

/** Something that happened in a bake. It never holds a secret. */
export type BakeEvent = EventHead & BakeEventBody;

/** The part of {@link BakeEvent} that differs by `type`. */
export type BakeEventBody =
  /** `resume`: an earlier program was cut off, and this one goes on where it was. */
  | { readonly type: 'start' | 'resume' }
  | { readonly type: 'phase-start'; readonly phase: BakePhase }
  | { readonly type: 'phase-end'; readonly phase: BakePhase; readonly durationMs: number }
  /** A provisioner begins. */
  | { readonly type: 'step-start'; readonly step: string }
  | { readonly type: 'step-end'; readonly step: string; readonly durationMs: number }
  /** A line that the guest printed: `message` is the line. */
  | { readonly type: 'output'; readonly step: string | undefined }
  | { readonly type: 'progress'; readonly fraction: number | undefined }
  | { readonly type: 'retry' }
  | { readonly type: 'warning' }
  | {
      readonly type: 'resource';
      readonly change: 'created' | 'kept' | 'removed' | 'left';
      readonly kind: string;
      readonly id: string;
    }
  /** The image existed already, and is used. */
  | { readonly type: 'reused' }
  | {
      readonly type: 'end';
      readonly state: 'SUCCEEDED' | 'FAILED' | 'CANCELLED';
      readonly code: ErrorCode | undefined;
    };

/** What a bake's workflow tells by `progress`; the rest comes from the engine. */
export type BakeNews =
  | {
      readonly topic: 'phase-start';
      readonly message: string;
      readonly data: { readonly phase: BakePhase };
    }
  | {
      readonly topic: 'phase-end';
      readonly message: string;
      readonly data: { readonly phase: BakePhase; readonly durationMs: number };
    }
  | { readonly topic: 'step-start' | 'output' | 'retry' | 'warning'; readonly message: string }
  | {
      readonly topic: 'step-end';
      readonly message: string;
      readonly data: { readonly durationMs: number };
    };

/** What a run's event means to those who watch a bake; nothing for what is the engine's own business. */
export function toBakeEvent(event: RunEvent, provider: string): BakeEvent | undefined {
  const body = bodyOf(event);
  return body && { provider, runId: event.runId, at: event.at, message: event.message, ...body };
}

function bodyOf(event: RunEvent): BakeEventBody | undefined {
  switch (event.type) {
    case 'run-started':
      return { type: 'start' };
    case 'run-resumed':
      return { type: 'resume' };
    case 'run-finished':
      return { type: 'end', state: event.state, code: event.code };
    case 'step-failed':
      return event.retryInMs === undefined ? undefined : { type: 'retry' };
    case 'resource-created':
      return { type: 'resource', change: 'created', kind: event.kind, id: event.id };
    case 'resource-kept':
      return { type: 'resource', change: 'kept', kind: event.kind, id: event.id };
    case 'resource-removed':
      return { type: 'resource', change: 'removed', kind: event.kind, id: event.id };
    case 'resource-left':
      return { type: 'resource', change: 'left', kind: event.kind, id: event.id };
    case 'progress':
      return newsOf(event);
    case 'step-started':
    case 'step-finished':
    case 'step-unknown':
      return undefined;
  }
}

function newsOf({
  topic,
  data,
  step,
  fraction,
}: Extract<RunEvent, { type: 'progress' }>): BakeEventBody {
  const { phase, durationMs } = isRecord(data) ? data : {};
  const ms = typeof durationMs === 'number' ? durationMs : 0;
  switch (topic) {
    case 'phase-start':
      return { type: topic, phase: isPhase(phase) ? phase : 'resolve' };
    case 'phase-end':
      return { type: topic, phase: isPhase(phase) ? phase : 'resolve', durationMs: ms };
    case 'step-start':
      return { type: topic, step: step ?? '' };
    case 'step-end':
      return { type: topic, step: step ?? '', durationMs: ms };
    case 'output':
      return { type: topic, step };
    case 'retry':
    case 'warning':
      return { type: topic };
    default:
      return { type: 'progress', fraction };
  }
}

const phases: readonly BakePhase[] = [
  'resolve',
  'launch',
  'boot',
  'provision',
  'seal',
  'capture',
  'verify',
  'publish',
];

function isPhase(value: unknown): value is BakePhase {
  return phases.some((phase) => phase === value);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}
