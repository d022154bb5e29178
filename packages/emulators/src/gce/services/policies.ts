import { textsOf } from '../../control-plane/json.ts';
import type { Service } from '../call.ts';
import { replacePolicy, showPolicy } from '../iam.ts';
import type { ResourceType, Stored } from '../state.ts';

/** The three IAM methods of a kind of resource. */
export function policyHandlers<R extends Stored>(type: ResourceType<R>): Service {
  const permissions = `compute.${type.collection}`;
  return {
    GetIamPolicy(call) {
      const { policy } = call.target(type, `${permissions}.getIamPolicy`);
      return showPolicy(policy, Number(call.query('optionsRequestedPolicyVersion') ?? 1));
    },
    SetIamPolicy(call) {
      const record = call.target(type, `${permissions}.setIamPolicy`);
      record.policy = replacePolicy(record.policy, call.body, call.world.directory, false);
      return showPolicy(record.policy, 3);
    },
    TestIamPermissions(call) {
      const name = call.param('resource');
      const record = type.find(call.project, call.location, name);
      const asked = textsOf(call.body, 'permissions');
      return {
        permissions: record ? asked.filter((each) => call.permitted(each, record)) : [],
      };
    },
  };
}
