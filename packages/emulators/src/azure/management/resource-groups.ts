import type { Handler } from '../call.ts';
import { newResource, setProperties } from '../state.ts';

const get: Handler = (call) => ({ status: 200, body: call.target().resource });

const put: Handler = (call) => {
  const standing = call.world.resources.find(call.id);
  const made = call.world.resources.add(newResource(call.id, call.body, {}));
  setProperties(made, { provisioningState: 'Succeeded' });
  return { status: standing === undefined ? 201 : 200, body: made.resource };
};

export const resourceGroups = { get, put } as const;
