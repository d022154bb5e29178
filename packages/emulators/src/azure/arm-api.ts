import type { FaultEffect, StatusFault } from '../control-plane/faults.ts';
import type { Answer, Api, ApiRequest, RecognisedCall } from '../control-plane/http-server.ts';
import { isJsonObject, type Json } from '../control-plane/json.ts';
import type { Violation } from '../control-plane/request-log.ts';
import { callerOf, permit } from './access.ts';
import { Call } from './call.ts';
import { ArmError, errorAnswer, notFound } from './errors.ts';
import type { Route } from './route.ts';
import { operationPath, routes } from './routes.ts';
import { unknownField } from './shape.ts';
import { respelled } from './spelling.ts';
import type { World } from './state.ts';
import { lookAtBlobs } from './storage/known-blobs.ts';

/** Azure Resource Manager: finds the method, checks the request, and lets the handler answer. */
export function createArmApi(world: World, violations: Violation[]): Api {
  return {
    recognise(request): RecognisedCall {
      const path = pathOf(request);
      const operation = operationPath.exec(path)?.[1];
      const route = routes.find((one) => one.method === request.method && one.path.test(path));
      const complain = (message: string): void =>
        void violations.push({ request: request.log, message });
      return {
        rpc: operation === undefined ? route?.rpc : 'Operations.Get',
        async run(effects) {
          const answer = await answered(async () => {
            if (operation !== undefined) return lookAt(world, operation, request, complain);
            if (route !== undefined)
              return carryOut(world, route, path, request, effects, complain);
            complain(`${request.method} ${path} is not emulated.`);
            throw new ArmError(
              404,
              'InvalidResourceType',
              `${request.method} ${path} is not emulated.`,
            );
          });
          return withRequestId(world, world.otherSpelling ? respelled(answer) : answer);
        },
      };
    },
    faultAnswer: (fault) => withRequestId(world, ordered(fault)),
    crashAnswer: (error) =>
      errorAnswer(
        new ArmError(500, 'InternalServerError', `The emulator failed: ${String(error)}`),
      ),
  };
}

/** The path as ids are written: a client may put two slashes at its beginning. */
function pathOf({ url }: ApiRequest): string {
  return decodeURIComponent(url.pathname.replace(/^\/+/, '/').replace(/\/$/, ''));
}

async function answered(run: () => Answer | Promise<Answer>): Promise<Answer> {
  try {
    return await run();
  } catch (error) {
    if (error instanceof ArmError) return errorAnswer(error);
    throw error;
  }
}

function withRequestId(world: World, answer: Answer): Answer {
  const id = world.nextGuid();
  const headers = { 'x-ms-request-id': id, 'x-ms-correlation-request-id': id };
  return { ...answer, headers: { ...headers, ...answer.headers } };
}

/** The answer that a fault orders. */
function ordered({ status, reason, message, retryAfterSeconds }: StatusFault): Answer {
  const code = reason ?? (status === 429 ? 'TooManyRequests' : 'InternalServerError');
  const text = message ?? `Ordered by a fault: ${status} ${code}.`;
  const headers =
    retryAfterSeconds === undefined ? {} : { 'retry-after': String(retryAfterSeconds) };
  return errorAnswer(new ArmError(status, code, text, { headers }));
}

async function carryOut(
  world: World,
  route: Route,
  path: string,
  request: ApiRequest,
  effects: readonly FaultEffect[],
  complain: (message: string) => void,
): Promise<Answer> {
  const body = readBody(await request.text(), complain);
  request.log.body = body;
  const caller = callerOf(request.headers.authorization);
  request.log.member = caller;
  const subscription = path.split('/')[2] ?? '';
  if (!world.subscriptions.has(subscription.toLowerCase()))
    throw new ArmError(
      404,
      'SubscriptionNotFound',
      `The subscription '${subscription}' could not be found.`,
    );
  for (const message of complaintsOf(route, request, body, world.futureFields)) {
    complain(`${route.rpc}: ${message}`);
    throw new ArmError(
      400,
      'InvalidRequestContent',
      `The request content was invalid: ${message}.`,
    );
  }
  permit(world, caller, route.action, path);
  const headers = {
    ...world.rates.countAll(subscription, route.method),
    ...world.rates.count(subscription, route.rate),
  };
  const origin = `http://${request.headers.host ?? 'localhost'}`;
  if (world.storage !== undefined) await lookAtBlobs(world.storage, world.blobs, body);
  const answer = await route.handler(
    new Call({
      world,
      rpc: route.rpc,
      id: route.actionName === undefined ? path : path.slice(0, -route.actionName.length - 1),
      caller,
      search: request.url.searchParams,
      body: isJsonObject(body) ? body : {},
      onlyNew: request.headers['if-none-match'] === '*',
      ifMatch: request.headers['if-match'],
      effects,
      origin,
    }),
  );
  return { ...answer, headers: { ...headers, ...answer.headers } };
}

/** What the published description of the API doesn't allow. */
function* complaintsOf(
  route: Route,
  { url }: ApiRequest,
  body: Json | undefined,
  futureFields: ReadonlySet<string>,
): Iterable<string> {
  const { searchParams: search } = url;
  const version = search.get('api-version');
  if (version !== route.apiVersion)
    yield `api-version must be ${route.apiVersion}, not ${version ?? 'missing'}`;
  for (const name of search.keys())
    if (name !== 'api-version' && !route.query.includes(name)) yield `query ${name} is not known`;
  if (route.body === undefined) {
    if (body !== undefined) yield 'there must be no body';
    return;
  }
  if (body === undefined) {
    if (route.bodyIsOptional !== true) yield 'there must be a body';
    return;
  }
  for (const { path, message } of route.body(body, '')) {
    const field = path.slice(path.lastIndexOf('.') + 1);
    if (!(message === unknownField && futureFields.has(field))) yield `${path} ${message}`;
  }
}

function readBody(text: string, complain: (message: string) => void): Json | undefined {
  if (text === '') return undefined;
  try {
    const body: Json = JSON.parse(text);
    return body;
  } catch {
    complain('The body is not JSON.');
    throw new ArmError(400, 'InvalidRequestContent', 'The request content is not JSON.');
  }
}

/** An operation, at its address or, with `monitor`, at the place where its result would be. */
function lookAt(
  world: World,
  id: string,
  { url }: ApiRequest,
  complain: (message: string) => void,
): Answer {
  const operation = world.operations.get(id);
  if (operation === undefined) throw notFound(url.pathname);
  const monitor = url.searchParams.get('monitor') === 'true';
  const query = url.search.slice(1).replace(/&monitor=true$/, '');
  if (query !== operation.query) {
    complain(`The address of operation ${id} came back changed: ${url.search}`);
    throw new ArmError(403, 'AuthorizationFailed', 'The signature of the address is wrong.');
  }
  const headers = world.rates.count(url.pathname.split('/')[2] ?? '', 'GetOperationStatus');
  if (!monitor) return { status: 200, headers, body: { ...operation.status } };
  if (operation.status['status'] === 'InProgress') return { status: 202, headers };
  return { status: 200, headers, body: operation.result() };
}
