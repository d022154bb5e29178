import type { Json } from '../spec/call-options.ts';
import { ImgkitError } from '../spec/errors.ts';
import type { LogFields, Logger } from '../logger.ts';
import { LeaseLost } from './journal.ts';
import { decode, encode } from './json.ts';
import { asImgkitError, recordError } from './recorded-error.ts';
import { retryDelay } from './retry.ts';
import type { RunExecution } from './run-execution.ts';
import type { StepRow } from './step-table.ts';
import type { StepContext, StepOptions } from './workflow.ts';

/** A step that is to be carried out. */
export interface StepPlan<T> {
  readonly name: string;
  readonly token: string;
  /** What is recorded of earlier starts that came to no end. */
  readonly recorded: StepRow | undefined;
  readonly options: StepOptions;
  /** What is written together with the start. */
  readonly begin?: () => void;
  readonly fn: (step: StepContext) => Promise<T> | T;
}

/** Tries a step until it succeeds or fails for good, and records which. */
export async function runStep<T>(execution: RunExecution, plan: StepPlan<T>): Promise<T> {
  const { name, options } = plan;
  const { row, executor, signal } = execution;
  const { journal, settings } = executor;
  const { clock } = settings;
  const scope = { run: row.id, attempt: row.attempt };
  const what = `step "${name}"`;
  let starts = plan.recorded?.starts ?? 0;
  let failures = plan.recorded?.failures ?? 0;
  let heartbeat = decode<Json | undefined>(plan.recorded?.heartbeat);
  for (;;) {
    const startedAt = clock.now();
    starts += 1;
    execution.write(() => {
      journal.steps.start(scope, name, startedAt);
      plan.begin?.();
      execution.emit(`${what} started`, { type: 'step-started', attempt: starts }, name);
    });
    try {
      const value = await attempt(execution, plan, starts, heartbeat, (details) => {
        heartbeat = details;
      });
      const result = encode(value, `the result of ${what}`);
      const now = clock.now();
      execution.write(() => {
        journal.steps.succeed(scope, name, result, now);
        execution.emit(
          `${what} finished`,
          { type: 'step-finished', durationMs: now - startedAt },
          name,
        );
      });
      return decode<T>(result);
    } catch (caught) {
      if (caught instanceof LeaseLost || signal.aborted) throw caught;
      failures += 1;
      const error = asImgkitError(caught, what);
      const { code } = error;
      const retryInMs = retryDelay({ ...settings.retry, ...options.retry }, failures, error);
      execution.write(() => {
        journal.steps.fail(
          scope,
          name,
          recordError(error),
          retryInMs === undefined ? clock.now() : undefined,
        );
        execution.emit(
          `${what} failed: ${error.message}`,
          { type: 'step-failed', code, attempt: starts, retryInMs },
          name,
        );
      });
      if (retryInMs === undefined) throw error;
      await clock.sleep(retryInMs, signal);
    }
  }
}

/** One attempt, which ends when its time is up. */
async function attempt<T>(
  execution: RunExecution,
  { name, token, options, fn }: StepPlan<T>,
  count: number,
  lastHeartbeat: Json | undefined,
  onHeartbeat: (details: Json) => void,
): Promise<T> {
  const { journal, settings } = execution.executor;
  const { clock, graceMs } = settings;
  const { row } = execution;
  const timer = new AbortController();
  const ended = new AbortController();
  const context: StepContext = {
    step: name,
    token,
    attempt: count,
    signal: AbortSignal.any([execution.signal, timer.signal]),
    lastHeartbeat,
    log: withFields(settings.logger, { run: row.id, step: name, attempt: count }),
    heartbeat(details) {
      const text = encode(details, `the heartbeat of step "${name}"`) ?? 'null';
      onHeartbeat(details);
      if (execution.isClosed || ended.signal.aborted) return;
      execution.write(() =>
        journal.steps.heartbeat({ run: row.id, attempt: row.attempt }, name, text),
      );
    },
    progress(event) {
      if (!execution.isClosed && !ended.signal.aborted) execution.tell(event, name);
    },
  };
  const { timeoutMs } = options;
  const work = (async () => fn(context))();
  try {
    if (timeoutMs === undefined) return await work;
    const late = clock.sleep(timeoutMs, ended.signal).then(async () => {
      const error = new ImgkitError('TIMEOUT', `step "${name}" took more than ${timeoutMs} ms`);
      timer.abort(error);
      // It should end by itself now; code that doesn't heed its signal is left behind.
      await clock.sleep(graceMs, ended.signal);
      throw error;
    });
    late.catch(() => undefined);
    return await Promise.race([work, late]);
  } catch (error) {
    work.catch(() => undefined);
    throw timer.signal.aborted && !execution.signal.aborted ? timer.signal.reason : error;
  } finally {
    ended.abort();
  }
}

function withFields(logger: Logger, always: LogFields): Logger {
  return {
    debug: (message, fields) => logger.debug(message, { ...always, ...fields }),
    info: (message, fields) => logger.info(message, { ...always, ...fields }),
    warn: (message, fields) => logger.warn(message, { ...always, ...fields }),
    error: (message, fields) => logger.error(message, { ...always, ...fields }),
  };
}
