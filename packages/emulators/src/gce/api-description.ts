import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

import { isJsonObject, objectOf, textOf, type JsonObject } from '../control-plane/json.ts';
import { additionalValues } from './enumerations.ts';

/** A scalar of Protocol Buffers that the API uses, or another message. */
export type ValueType =
  | { readonly kind: 'scalar'; readonly scalar: string }
  | { readonly kind: 'enum'; readonly values: ReadonlySet<string> }
  | { readonly kind: 'message'; readonly message: MessageDescription };

/** A field of a message. */
export interface FieldDescription {
  readonly name: string;
  readonly repeated: boolean;
  readonly map: boolean;
  readonly required: boolean;
  readonly type: ValueType;
}

/** A message: the body of a request, a part of it, or the request itself. */
export interface MessageDescription {
  readonly name: string;
  field(name: string): FieldDescription | undefined;
}

/** A method of the API. */
export interface MethodDescription {
  /** `Images.Insert`. */
  readonly rpc: string;
  readonly service: string;
  readonly httpMethod: string;
  /** `/compute/v1/projects/{project}/global/images`, split at its slashes; parameters in camel case. */
  readonly segments: readonly PathSegment[];
  /** The request's field that is the HTTP body. */
  readonly bodyField: string | undefined;
  readonly request: MessageDescription;
  /** Whether it answers with an operation that it has started. */
  readonly startsOperation: boolean;
}

export type PathSegment = { readonly literal: string } | { readonly parameter: string };

/** Google's description of its API, as far as a control plane needs it. */
export interface ApiDescription {
  readonly methods: readonly MethodDescription[];
  message(name: string): MessageDescription | undefined;
}

let description: ApiDescription | undefined;

/** Compute Engine's API v1, read from Google's own client once in a process: it has 12 MB. */
export function computeDescription(): ApiDescription {
  return (description ??= describe(readProtos()));
}

function readProtos(): JsonObject {
  const { resolve } = createRequire(import.meta.url);
  const path = resolve('@google-cloud/compute/build/protos/protos.json');
  let node: unknown = JSON.parse(readFileSync(path, 'utf8'));
  for (const name of ['google', 'cloud', 'compute', 'v1']) {
    node = isJsonObject(node) ? objectOf(objectOf(node, 'nested'), name) : undefined;
  }
  const nested = isJsonObject(node) ? objectOf(node, 'nested') : undefined;
  if (!nested) throw new Error(`${path} describes no package google.cloud.compute.v1.`);
  return nested;
}

function describe(protos: JsonObject): ApiDescription {
  const messages = new Map<string, MessageDescription>();
  const message = (name: string): MessageDescription | undefined => {
    const known = messages.get(name);
    if (known) return known;
    const source = objectOf(protos, name);
    if (!objectOf(source, 'fields') || !source) return undefined;
    const made = describeMessage(name, source, message);
    messages.set(name, made);
    return made;
  };
  return { methods: [...methodsOf(protos, message)], message };
}

type MessageLookup = (name: string) => MessageDescription | undefined;

function* methodsOf(protos: JsonObject, message: MessageLookup): Iterable<MethodDescription> {
  for (const service of Object.keys(protos)) {
    const methods = objectOf(objectOf(protos, service), 'methods') ?? {};
    for (const name of Object.keys(methods)) {
      const method = objectOf(methods, name);
      const options = objectOf(method, 'options');
      const verb = ['get', 'post', 'put', 'patch', 'delete'].find(
        (each) => textOf(options, `(google.api.http).${each}`) !== undefined,
      );
      const template = verb && textOf(options, `(google.api.http).${verb}`);
      const request = message(textOf(method, 'requestType') ?? '') ?? noFields;
      if (!verb || !template) continue;
      yield {
        rpc: `${service}.${name}`,
        service,
        httpMethod: verb.toUpperCase(),
        segments: template.slice(1).split('/').map(segment),
        bodyField: camelCase(textOf(options, '(google.api.http).body')),
        request,
        startsOperation: textOf(options, '(google.cloud.operation_service)') !== undefined,
      };
    }
  }
}

const noFields: MessageDescription = { name: 'Empty', field: () => undefined };

function segment(text: string): PathSegment {
  const parameter = /^\{(\w+)(?:=[^}]*)?\}$/.exec(text)?.[1];
  return parameter ? { parameter: camelCase(parameter) ?? parameter } : { literal: text };
}

function camelCase(name: string | undefined): string | undefined {
  return name?.replaceAll(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

/** A message whose fields are described when they are first asked for. */
function describeMessage(
  name: string,
  source: JsonObject,
  message: MessageLookup,
): MessageDescription {
  const described = new Map<string, FieldDescription>();
  return {
    name,
    field(fieldName) {
      const known = described.get(fieldName);
      if (known) return known;
      const field = objectOf(objectOf(source, 'fields'), fieldName);
      if (!field) return undefined;
      const made: FieldDescription = {
        name: fieldName,
        repeated: field['rule'] === 'repeated',
        map: field['keyType'] !== undefined,
        required: textOf(objectOf(field, 'options'), '(google.api.field_behavior)') === 'REQUIRED',
        type: typeOf(name, source, fieldName, textOf(field, 'type') ?? 'string', message),
      };
      described.set(fieldName, made);
      return made;
    },
  };
}

function typeOf(
  owner: string,
  source: JsonObject,
  field: string,
  type: string,
  message: MessageLookup,
): ValueType {
  // The API's enumerations are fields of type string with an enumeration of the same name beside them.
  const enumeration = type === 'string' ? field.charAt(0).toUpperCase() + field.slice(1) : type;
  const listed = objectOf(objectOf(objectOf(source, 'nested'), enumeration), 'values');
  const additional = additionalValues[`${owner}.${field}`] ?? [];
  if (listed || additional.length > 0) {
    const values = Object.keys(listed ?? {}).filter((value) => !value.startsWith('UNDEFINED_'));
    return { kind: 'enum', values: new Set([...values, ...additional]) };
  }
  const referred = message(type);
  return referred ? { kind: 'message', message: referred } : { kind: 'scalar', scalar: type };
}
