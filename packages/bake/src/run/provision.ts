import { ImgkitError, type StepContext, type WorkflowContext } from '@imgkit/core';
import type { Provisioner } from '../provisioner.ts';
import type { ProviderMachine } from '../machine.ts';
import type { Redactor } from '../redact.ts';
import { GuestOutput } from './guest-output.ts';

/** What is done, and to which machine. */
export interface StepRequest {
  /** The name of the run's step: unique in it, and stable. */
  readonly name: string;
  readonly provisioner: Provisioner;
  readonly machine: ProviderMachine;
  readonly redactor: Redactor;
  /** The end of the machine's console; empty where there is none. */
  readonly console: () => Promise<readonly string[]>;
}

const twoHours = 7_200_000;

/** Runs one provisioner as a step of the run: its output is shown, its failure tells all there is to know, and nothing of either holds a secret. */
export async function provisionStep(ctx: WorkflowContext, request: StepRequest): Promise<void> {
  const { name, provisioner } = request;
  const limit = provisioner.timeoutMs ?? twoHours;
  await ctx.step(name, (step) => runProvisioner(step, request), {
    timeoutMs: Number.isFinite(limit) ? limit : undefined,
    // What is lost is the connection, mostly because the machine is busy: the work in the guest goes on meanwhile.
    retry: { maxAttempts: 4, initialMs: 500 },
  });
}

async function runProvisioner(step: StepContext, request: StepRequest): Promise<null> {
  const { provisioner, machine, redactor } = request;
  const tell = (topic: 'output' | 'retry' | 'warning' | 'step-start') => (message: string) =>
    step.progress({ topic, message: redactor.text(message) });
  const output = new GuestOutput(redactor.stream(), (line) =>
    step.progress({ topic: 'output', message: line }),
  );
  const begun = performance.now();
  tell('step-start')(provisioner.label);
  try {
    await provisioner.run(machine, {
      token: step.token,
      signal: step.signal,
      memory: step.lastHeartbeat,
      remember: (memory) => step.heartbeat(memory),
      output: (bytes) => output.push(bytes),
      retry: tell('retry'),
      warn: tell('warning'),
    });
  } catch (error) {
    output.end();
    if (step.signal.aborted) throw redactor.error(error);
    throw await explain(error, request, output.last);
  }
  output.end();
  const durationMs = Math.round(performance.now() - begun);
  step.progress({
    topic: 'step-end',
    message: redactor.text(provisioner.label),
    data: { durationMs },
  });
  return null;
}

/** The same error with the step, the last lines of its output, and the end of the console. */
async function explain(
  error: unknown,
  { name, provisioner, redactor, machine, console }: StepRequest,
  output: readonly string[],
): Promise<Error> {
  const known = ImgkitError.is(error) ? error : undefined;
  // A machine that could not be reached for as long as it may take is not tried again.
  const code = known === undefined || known.code === 'TIMEOUT' ? 'OPERATION_FAILED' : known.code;
  const message = error instanceof Error ? error.message : String(error);
  const end = output.length === 0 ? '' : `; it printed last: ${output.slice(-3).join(' | ')}`;
  return redactor.error(
    new ImgkitError(code, `step "${name}" failed: ${message}${end}`, {
      provider: machine.provider,
      operation: known?.operation ?? provisioner.kind,
      resource: known?.resource ?? machine.instance,
      hint: known?.hint,
      retryAfterMs: known?.retryAfterMs,
      data: { ...known?.data, step: name, output, console: await console() },
      cause: error,
    }),
  );
}
