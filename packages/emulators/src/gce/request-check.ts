import { isJsonArray, isJsonObject, type Json, type JsonObject } from '../control-plane/json.ts';
import type {
  FieldDescription,
  MessageDescription,
  MethodDescription,
  ValueType,
} from './api-description.ts';

/** Something in a request that the API's description doesn't allow. */
export interface Complaint {
  /** Where: `resource.diskSizeGb`, or the name of a query parameter. */
  readonly field: string;
  readonly message: string;
}

/** Parameters that every Google API takes and that change nothing here. */
const systemParameters = new Set([
  'alt',
  '$alt',
  'prettyPrint',
  'quotaUser',
  'userIp',
  'key',
  '$.xgafv',
]);

/** Compares a request with the API's description. */
export function checkRequest(
  method: MethodDescription,
  parameters: Readonly<Record<string, string>>,
  query: URLSearchParams,
  body: Json | undefined,
): Complaint[] {
  return [...checkQuery(method, parameters, query), ...checkBody(method, body)];
}

function* checkQuery(
  method: MethodDescription,
  parameters: Readonly<Record<string, string>>,
  query: URLSearchParams,
): Iterable<Complaint> {
  for (const name of new Set(query.keys())) {
    if (systemParameters.has(name)) continue;
    const field = method.request.field(name);
    if (!field || name in parameters || name === method.bodyField) {
      yield { field: name, message: `${method.rpc} has no query parameter "${name}".` };
      continue;
    }
    const values = query.getAll(name);
    if (values.length > 1 && !field.repeated) {
      yield {
        field: name,
        message: `The query parameter "${name}" is given ${values.length} times.`,
      };
    }
    for (const value of values) yield* checkParameter(name, field.type, value);
  }
}

function* checkParameter(name: string, type: ValueType, value: string): Iterable<Complaint> {
  if (type.kind === 'enum') yield* checkValue(name, type, value);
  if (type.kind !== 'scalar' || type.scalar === 'string') return;
  const fine = type.scalar === 'bool' ? /^(true|false)$/.test(value) : integer(type.scalar, value);
  if (!fine) yield { field: name, message: `"${value}" is not a ${type.scalar}.` };
}

function* checkBody(method: MethodDescription, body: Json | undefined): Iterable<Complaint> {
  if (body === undefined) return;
  const field = method.bodyField ? method.request.field(method.bodyField) : undefined;
  if (!isJsonObject(body)) {
    yield { field: 'resource', message: 'The body is not a JSON object.' };
  } else if (field?.type.kind === 'message') {
    yield* checkMessage('resource', field.type.message, body);
  } else if (Object.keys(body).length > 0) {
    yield { field: 'resource', message: `${method.rpc} takes no body.` };
  }
}

function* checkMessage(
  path: string,
  message: MessageDescription,
  value: JsonObject,
): Iterable<Complaint> {
  for (const [name, item] of Object.entries(value)) {
    const field = message.field(name);
    const here = `${path}.${name}`;
    if (!field) {
      yield { field: here, message: `Unknown field "${name}" of ${message.name}.` };
    } else if (item !== null && item !== undefined) {
      yield* checkField(here, field, item);
    }
  }
}

function* checkField(path: string, field: FieldDescription, value: Json): Iterable<Complaint> {
  if (field.map) {
    if (!isJsonObject(value)) return yield expected(path, 'an object', value);
    for (const [key, item] of Object.entries(value)) {
      if (item !== undefined) yield* checkValue(`${path}.${key}`, field.type, item);
    }
  } else if (field.repeated) {
    if (!isJsonArray(value)) return yield expected(path, 'a list', value);
    for (const [index, item] of value.entries()) {
      yield* checkValue(`${path}[${index}]`, field.type, item);
    }
  } else {
    yield* checkValue(path, field.type, value);
  }
}

function* checkValue(path: string, type: ValueType, value: Json): Iterable<Complaint> {
  switch (type.kind) {
    case 'message':
      if (isJsonObject(value)) yield* checkMessage(path, type.message, value);
      else yield expected(path, `an object (${type.message.name})`, value);
      return;
    case 'enum':
      if (typeof value !== 'string') yield expected(path, 'a string', value);
      // Clients generated for other languages send empty strings for what isn't set.
      else if (value !== '' && !type.values.has(value)) {
        const allowed = [...type.values].toSorted().join(', ');
        yield { field: path, message: `"${value}" is not one of ${allowed}.` };
      }
      return;
    case 'scalar':
      if (!isScalar(type.scalar, value)) yield expected(path, `a ${type.scalar}`, value);
  }
}

function expected(path: string, what: string, value: Json): Complaint {
  return { field: path, message: `Expected ${what}, got ${JSON.stringify(value)}.` };
}

function isScalar(scalar: string, value: Json): boolean {
  switch (scalar) {
    case 'string':
    case 'bytes':
      return typeof value === 'string';
    case 'bool':
      return typeof value === 'boolean';
    case 'float':
    case 'double':
      return typeof value === 'number';
    default:
      return (typeof value === 'string' || typeof value === 'number') && integer(scalar, value);
  }
}

/** Whether a value is an integer of a size, as JSON writes it: 64 bits as text. */
function integer(scalar: string, value: string | number): boolean {
  const text = String(value);
  if (!/^-?\d{1,20}$/.test(text)) return false;
  const unsigned = scalar.startsWith('u') || scalar.startsWith('fixed');
  const bits = scalar.endsWith('64') ? 64n : 32n;
  const number = BigInt(text);
  const [lowest, highest] = unsigned
    ? [0n, 2n ** bits - 1n]
    : [-(2n ** (bits - 1n)), 2n ** (bits - 1n) - 1n];
  return lowest <= number && number <= highest;
}
