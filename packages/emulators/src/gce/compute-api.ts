import type { FaultEffect, StatusFault } from '../control-plane/faults.ts';
import type { Answer, Api, ApiRequest, RecognisedCall } from '../control-plane/http-server.ts';
import { isJsonObject, type Json, type JsonObject } from '../control-plane/json.ts';
import type { Violation } from '../control-plane/request-log.ts';
import { computeDescription } from './api-description.ts';
import { callerOf } from './bearer-tokens.ts';
import { Call } from './call.ts';
import { ApiError, errorAnswer, invalid, notEmulated, notFound } from './errors.ts';
import { checkOperationLimit } from './operations.ts';
import { recall, remember } from './request-ids.ts';
import { checkRequest } from './request-check.ts';
import { createRouter, type Route, type Router } from './router.ts';
import { services } from './services/index.ts';
import type { Project, World } from './state.ts';

let router: Router | undefined;

/** Compute Engine's API: finds the method, checks the request, and lets the service's handler answer. */
export function createComputeApi(world: World, violations: Violation[]): Api {
  const routes = (router ??= createRouter(computeDescription()));
  return {
    recognise(request): RecognisedCall {
      const route = routes.find(request.method, request.url.pathname);
      const complain = (message: string): void => {
        violations.push({ request: request.log, message });
      };
      return {
        rpc: route?.method.rpc,
        run: (effects) =>
          answered(async () => {
            if (!route) throw unknownMethod(routes, request, complain);
            return { status: 200, body: await carryOut(world, route, request, effects, complain) };
          }),
      };
    },
    faultAnswer: ordered,
    crashAnswer: crashed,
  };
}

/** Turns refusals into answers; what else is thrown is the emulator's own failure. */
export async function answered(run: () => Promise<Answer>): Promise<Answer> {
  try {
    return await run();
  } catch (error) {
    if (error instanceof ApiError) return errorAnswer(error);
    throw error;
  }
}

/** The answer when the emulator itself fails. */
export function crashed(error: unknown): Answer {
  return errorAnswer(new ApiError(500, 'backendError', `The emulator failed: ${String(error)}`));
}

/** The answer that a fault orders. */
export function ordered({ status, reason, message, retryAfterSeconds }: StatusFault): Answer {
  const word = reason ?? (status === 429 ? 'rateLimitExceeded' : 'backendError');
  const text = message ?? `Ordered by a fault: ${status} ${word}.`;
  const domain = word === 'rateLimitExceeded' ? 'usageLimits' : 'global';
  return errorAnswer(new ApiError(status, word, text, { domain, retryAfterSeconds }));
}

function unknownMethod(
  routes: Router,
  { method, url }: ApiRequest,
  complain: (message: string) => void,
): ApiError {
  const allowed = routes.allowed(url.pathname);
  const message =
    allowed.length > 0
      ? `${url.pathname} takes ${allowed.join(', ')}, not ${method}.`
      : `The API has no method for ${method} ${url.pathname}.`;
  complain(message);
  return new ApiError(404, 'notFound', message);
}

async function carryOut(
  world: World,
  { method, parameters }: Route,
  request: ApiRequest,
  effects: readonly FaultEffect[],
  complain: (message: string) => void,
): Promise<JsonObject> {
  const body = readBody(await request.text(), complain);
  request.log.body = body;
  const caller = callerOf(request.headers.authorization);
  request.log.member = caller;

  const handler = services[method.service]?.[method.rpc.slice(method.service.length + 1)];
  if (!handler) {
    complain(`${method.rpc} is not emulated.`);
    throw notEmulated(method.rpc);
  }
  const [complaint] = checkRequest(method, parameters, request.url.searchParams, body).map(
    (each) => {
      complain(`${method.rpc}: ${each.field}: ${each.message}`);
      return each;
    },
  );
  if (complaint) {
    const text = `Invalid JSON payload or parameter: ${complaint.field}: ${complaint.message}`;
    throw new ApiError(400, 'invalid', text);
  }
  const project = findProject(world, parameters['project'] ?? '');
  project.rateCounter.count(method.rpc, method.httpMethod, world.clock.now(), project.rates);
  checkPlace(world, project, method.service, parameters);

  const call = new Call({
    world,
    project,
    caller,
    method,
    parameters,
    search: request.url.searchParams,
    body: isJsonObject(body) ? body : {},
    effects,
    gone: request.gone,
  });
  const known = recall(call, complain);
  if (known) return known;
  if (method.startsOperation) checkOperationLimit(project);
  const answer = await handler(call);
  remember(call);
  return answer;
}

/** Google's clients send the JSON string `""` where a POST has no body. */
function readBody(text: string, complain: (message: string) => void): Json | undefined {
  if (text.trim() === '' || text.trim() === '""') return undefined;
  try {
    const body: Json = JSON.parse(text);
    return body;
  } catch {
    complain('The body is not JSON.');
    throw new ApiError(400, 'parseError', 'Parse Error');
  }
}

function findProject(world: World, id: string): Project {
  const project =
    world.projects.get(id) ?? [...world.projects.values()].find(({ number }) => number === id);
  if (!project) throw notFound(`projects/${id}`);
  return project;
}

function checkPlace(
  world: World,
  project: Project,
  service: string,
  { zone, region }: Readonly<Record<string, string>>,
): void {
  const known = region === undefined || region in world.regions;
  const zones = Object.values(world.regions).flat();
  if (known && (zone === undefined || zones.includes(zone))) return;
  if (service === 'Zones') throw notFound(`projects/${project.id}/zones/${zone ?? ''}`);
  if (service === 'Regions') throw notFound(`projects/${project.id}/regions/${region ?? ''}`);
  throw zone === undefined
    ? invalid('region', region ?? '', 'Unknown region.')
    : invalid('zone', zone, 'Unknown zone.');
}
