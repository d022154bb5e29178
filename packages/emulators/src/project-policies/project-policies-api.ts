import type { Api, ApiRequest, RecognisedCall } from '../control-plane/http-server.ts';
import {
  isJsonObject,
  objectOf,
  textsOf,
  type Json,
  type JsonObject,
} from '../control-plane/json.ts';
import type { Violation } from '../control-plane/request-log.ts';
import { createAccess } from '../gce/access.ts';
import { callerOf } from '../gce/bearer-tokens.ts';
import { answered, crashed, ordered } from '../gce/compute-api.ts';
import { ApiError, forbidden, notEmulated } from '../gce/errors.ts';
import { replacePolicy, showPolicy } from '../gce/iam.ts';
import type { Project, World } from '../gce/state.ts';

const form = /^\/v[13]\/projects\/([^/:]+):(getIamPolicy|setIamPolicy|testIamPermissions)$/;

/** Whether a path is Cloud Resource Manager's. */
export function isProjectPolicyPath(path: string): boolean {
  return /^\/v[13]\/projects\b/.test(path);
}

/**
 * The part of Cloud Resource Manager's API that sharing needs: the policies of whole projects.
 * https://cloud.google.com/resource-manager/reference/rest/v3/projects
 */
export function createProjectPoliciesApi(world: World, violations: Violation[]): Api {
  return {
    recognise(request): RecognisedCall {
      const [, id = '', method] = form.exec(decodeURIComponent(request.url.pathname)) ?? [];
      const known = method !== undefined && request.method === 'POST';
      const rpc = `Projects.${(method ?? '').charAt(0).toUpperCase()}${(method ?? '').slice(1)}`;
      return {
        rpc: known ? rpc : undefined,
        run: () =>
          answered(async () => {
            if (!known) {
              const what = `${request.method} ${request.url.pathname} of Cloud Resource Manager`;
              violations.push({ request: request.log, message: `${what} is not emulated.` });
              throw notEmulated(what);
            }
            return { status: 200, body: await carryOut(world, request, id, method) };
          }),
      };
    },
    faultAnswer: ordered,
    crashAnswer: crashed,
  };
}

async function carryOut(
  world: World,
  request: ApiRequest,
  id: string,
  method: string,
): Promise<JsonObject> {
  const caller = callerOf(request.headers.authorization);
  request.log.member = caller;
  const body = readBody(await request.text());
  request.log.body = body;
  const access = createAccess(world, caller);
  const project =
    world.projects.get(id) ?? [...world.projects.values()].find(({ number }) => number === id);
  if (method === 'testIamPermissions') {
    const asked = textsOf(body, 'permissions');
    return {
      permissions: project ? asked.filter((each) => access.permitted(each, project)) : [],
    };
  }
  const permission = `resourcemanager.projects.${method}`;
  // A project that isn't there is refused like one that may not be seen.
  if (!project) throw forbidden(permission, `projects/${id}`);
  access.permit(permission, project);
  return method === 'getIamPolicy' ? read(project, body) : write(world, project, body);
}

function read(project: Project, body: JsonObject): JsonObject {
  const asked = objectOf(body, 'options')?.['requestedPolicyVersion'];
  return showPolicy(project.policy, typeof asked === 'number' ? asked : 1);
}

function write(world: World, project: Project, body: JsonObject): JsonObject {
  if (!objectOf(body, 'policy')) throw new ApiError(400, 'badRequest', 'The policy is missing.');
  project.policy = replacePolicy(project.policy, body, world.directory, false);
  return showPolicy(project.policy, 3);
}

function readBody(text: string): JsonObject {
  if (text.trim() === '') return {};
  try {
    const body: Json = JSON.parse(text);
    if (isJsonObject(body)) return body;
  } catch {
    // Refused like any other body that is no object.
  }
  throw new ApiError(400, 'parseError', 'The body is not a JSON object.');
}
