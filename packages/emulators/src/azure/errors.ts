import type { Answer } from '../control-plane/http-server.ts';
import type { JsonObject } from '../control-plane/json.ts';

/** What goes with an error. */
export interface ArmErrorParts {
  readonly target?: string | undefined;
  readonly details?: readonly JsonObject[] | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

/** A refusal, as ARM answers it. */
export class ArmError extends Error {
  readonly status: number;
  readonly code: string;
  readonly parts: ArmErrorParts;

  constructor(status: number, code: string, message: string, parts: ArmErrorParts = {}) {
    super(message);
    this.status = status;
    this.code = code;
    this.parts = parts;
  }
}

/** The answer that an error is. */
export function errorAnswer({ status, code, message, parts }: ArmError): Answer {
  const { target, details, headers } = parts;
  return { status, headers, body: { error: { code, message, target, details } } };
}

/** A resource that isn't there, as resources below a resource group are missed. */
export function resourceNotFound(type: string, names: readonly string[], group: string): ArmError {
  const kinds = type.split('/').slice(1);
  const path = kinds.map((kind, index) => `${kind}/${names[index] ?? ''}`).join('/');
  const [namespace = ''] = type.split('/');
  return new ArmError(
    404,
    'ResourceNotFound',
    `The Resource '${namespace}/${path}' under resource group '${group}' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix`,
  );
}

/** What a resource names, and isn't there. */
export function notFound(id: string): ArmError {
  return new ArmError(404, 'NotFound', `The resource with id '${id}' was not found.`);
}

export function groupNotFound(group: string): ArmError {
  return new ArmError(
    404,
    'ResourceGroupNotFound',
    `Resource group '${group}' could not be found.`,
  );
}

export function parentNotFound(id: string): ArmError {
  return new ArmError(
    404,
    'ParentResourceNotFound',
    `Failed to perform 'write' on resource(s) because the parent resource '${id}' could not be found.`,
  );
}

export function invalidParameter(target: string, message: string): ArmError {
  return new ArmError(400, 'InvalidParameter', message, { target });
}

/** A property that can't be changed any more. */
export function propertyChange(target: string): ArmError {
  return new ArmError(
    409,
    'PropertyChangeNotAllowed',
    `Changing property '${target}' is not allowed.`,
    { target },
  );
}

/** A resource on which something else is going on. */
export function conflict(message: string): ArmError {
  return new ArmError(409, 'Conflict', message);
}
