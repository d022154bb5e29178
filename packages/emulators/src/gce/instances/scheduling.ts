import { objectOf, textOf, type JsonObject } from '../../control-plane/json.ts';
import { badRequest, invalid } from '../errors.ts';

const leastRunMs = 30_000;
const longestRunMs = 120 * 86_400_000;

/**
 * Reads how an instance is scheduled, with Google's defaults.
 *
 * @param now - in ms since 1970.
 * @see https://cloud.google.com/compute/docs/instances/limit-vm-runtime
 */
export function readScheduling(given: JsonObject | undefined, now: number): JsonObject {
  const spot = textOf(given, 'provisioningModel') === 'SPOT' || given?.['preemptible'] === true;
  const field = 'resource.scheduling';
  if (spot && given?.['automaticRestart'] === true) {
    throw badRequest('Scheduling must have automaticRestart be false when preemptible is true.');
  }
  if (spot && textOf(given, 'onHostMaintenance') === 'MIGRATE') {
    throw badRequest(
      'Scheduling must have onHostMaintenance be TERMINATE when preemptible is true.',
    );
  }
  const action = textOf(given, 'instanceTerminationAction');
  const limits = [objectOf(given, 'maxRunDuration'), textOf(given, 'terminationTime')];
  const limited = limits.some((limit) => limit !== undefined);
  if (limits.every((limit) => limit !== undefined)) {
    throw badRequest('Only one of maxRunDuration and terminationTime can be set.');
  }
  if (limited && action === undefined) {
    const why = 'It must be set with maxRunDuration or terminationTime.';
    throw invalid(`${field}.instanceTerminationAction`, '', why);
  }
  if (action !== undefined && !limited && !spot) {
    const why = 'It needs the provisioning model SPOT, or a limit of the run time.';
    throw invalid(`${field}.instanceTerminationAction`, action, why);
  }
  const ms = runTimeOf(given, now);
  if (ms !== undefined && !(ms >= leastRunMs && ms <= longestRunMs)) {
    const why = 'The run time must be between 30 seconds and 120 days.';
    throw invalid(`${field}.maxRunDuration`, `${ms / 1000} s`, why);
  }
  return {
    ...given,
    provisioningModel: spot ? 'SPOT' : 'STANDARD',
    preemptible: spot,
    automaticRestart: !spot && given?.['automaticRestart'] !== false,
    onHostMaintenance: spot ? 'TERMINATE' : (textOf(given, 'onHostMaintenance') ?? 'MIGRATE'),
  };
}

/** How long an instance that starts now may run, in ms; undefined for as long as it likes. */
export function runTimeOf(scheduling: JsonObject | undefined, now: number): number | undefined {
  const duration = objectOf(scheduling, 'maxRunDuration');
  if (duration) {
    return Number(duration['seconds'] ?? 0) * 1000 + Number(duration['nanos'] ?? 0) / 1e6;
  }
  const time = textOf(scheduling, 'terminationTime');
  return time === undefined ? undefined : Date.parse(time) - now;
}
