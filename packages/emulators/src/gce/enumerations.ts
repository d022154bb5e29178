/**
 * Values of enumerations that the API takes and that are missing in the machine-readable description of the npm
 * package `@google-cloud/compute` 7.8.0: its `.proto` names them only in comments ("Additional supported values which
 * may be not listed in the enum directly due to technical reasons"). Taken from those comments and from the
 * `enum` lists of Google's Discovery document `compute:v1`, revision 20221018.
 *
 * Both sources: Copyright Google LLC, licensed under the Apache License, Version 2.0.
 */
const disruption = ['NONE', 'REFRESH', 'REPLACE', 'RESTART'];

export const additionalValues: Readonly<Record<string, readonly string[]>> = {
  'InstanceGroupManagerInstanceLifecyclePolicy.onFailedHealthCheck': ['DO_NOTHING', 'REPAIR'],
  'InstanceGroupManagerUpdatePolicy.instanceRedistributionType': ['NONE', 'PROACTIVE'],
  'InstanceGroupManagerUpdatePolicy.minimalAction': disruption,
  'InstanceGroupManagerUpdatePolicy.mostDisruptiveAllowedAction': disruption,
  'InstanceGroupManagerUpdatePolicy.type': ['PROACTIVE'],
  'InstanceGroupManagersApplyUpdatesRequest.minimalAction': disruption,
  'InstanceGroupManagersApplyUpdatesRequest.mostDisruptiveAllowedAction': disruption,
  'ManagedInstance.currentAction': ['STOPPING', 'SUSPENDING'],
  'ManagedInstance.targetStatus': ['RUNNING', 'STOPPED', 'SUSPENDED'],
  'RegionInstanceGroupManagersApplyUpdatesRequest.minimalAction': disruption,
  'RegionInstanceGroupManagersApplyUpdatesRequest.mostDisruptiveAllowedAction': disruption,
  'UpdateInstanceRequest.minimalAction': ['INVALID', 'NO_EFFECT', 'REFRESH', 'RESTART'],
  'UpdateInstanceRequest.mostDisruptiveAllowedAction': [
    'INVALID',
    'NO_EFFECT',
    'REFRESH',
    'RESTART',
  ],
};
