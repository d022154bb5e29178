import { textMapOf, textOf, type MutableJsonObject } from '../../control-plane/json.ts';
import type { Handler } from '../call.ts';
import { conditionNotMet, OperationFailure } from '../errors.ts';
import type { ResourceType, Stored } from '../state.ts';
import { checkLabels, fingerprint } from '../values.ts';

/** Puts labels on a resource, with their fingerprint. */
export function putLabels(
  resource: MutableJsonObject,
  labels: Readonly<Record<string, string>>,
): void {
  const any = Object.keys(labels).length > 0;
  resource['labels'] = any ? { ...labels } : undefined;
  resource['labelFingerprint'] = fingerprint(labels);
}

/** The method `setLabels` of a kind of resource: refused unless the fingerprint is the current one. */
export function setLabelsHandler<R extends Stored>(type: ResourceType<R>): Handler {
  return (call) => {
    const record = call.target(type, `compute.${type.collection}.setLabels`);
    const labels = textMapOf(call.body, 'labels');
    checkLabels('resource.labels', labels);
    const changed = 'Labels fingerprint either invalid or resource labels have changed';
    const before = textOf(call.body, 'labelFingerprint');
    const isCurrent = () => before === record.resource['labelFingerprint'];
    if (!isCurrent()) throw conditionNotMet(changed);
    return call.start({
      type: 'setLabels',
      location: record.location,
      target: record,
      finish() {
        // Another change may have been accepted before this one is carried out.
        if (!isCurrent()) throw new OperationFailure('CONDITION_NOT_MET', changed, 412);
        putLabels(record.resource, labels);
      },
    });
  };
}
