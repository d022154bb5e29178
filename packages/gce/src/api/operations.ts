import { ImgkitError } from '@imgkit/core';

import type { ApiService, ApiWarning, CloudOperation, OperationName } from '../client.ts';
import { shortId, parseResourceId, regionOf, zoneOf } from '../resources/resource-id.ts';
import {
  isWireObject,
  number,
  object,
  objects,
  text,
  type WireObject,
  type WireRequest,
} from './wire.ts';

/** What an operation is, from Google's answer. */
export function readOperation(native: WireObject, project: string): CloudOperation {
  const name = text(native, 'name');
  if (name === undefined)
    throw new ImgkitError('PROTOCOL', 'Google answered with an operation that has no name', {
      data: { answer: native },
    });
  const target = text(native, 'targetLink');
  return {
    project: parseResourceId(text(native, 'selfLink'))?.project ?? project,
    scope: scopeOf(native),
    name,
    done: text(native, 'status') === 'DONE',
    progress: number(native, 'progress') ?? 0,
    target: target === undefined ? undefined : shortId(target),
    warnings: readWarnings(objects(native, 'warnings')),
    native,
  };
}

/** What the API warns of. */
function readWarnings(warnings: readonly WireObject[], scope?: string): readonly ApiWarning[] {
  return warnings
    .filter((warning) => text(warning, 'code') !== 'NO_RESULTS_ON_PAGE')
    .map((warning) => ({
      code: text(warning, 'code') ?? 'UNKNOWN',
      message: text(warning, 'message') ?? '',
      scope,
    }));
}

/** The service and the fields with which an operation is asked for. */
export function operationCall({ project, scope, name }: OperationName): {
  readonly service: ApiService;
  readonly request: WireRequest;
} {
  const [zone, region] = [zoneOf(scope), regionOf(scope)];
  if (zone !== undefined)
    return { service: 'zoneOperations', request: { project, zone, operation: name } };
  if (region !== undefined)
    return { service: 'regionOperations', request: { project, region, operation: name } };
  return { service: 'globalOperations', request: { project, operation: name } };
}

function scopeOf(native: WireObject): string {
  for (const kind of ['zone', 'region'] as const) {
    const value = text(native, kind)?.split('/').at(-1);
    if (value !== undefined) return `${kind}s/${value}`;
  }
  return 'global';
}

/** The warnings of a page: its own, and, in an aggregated list, those of each scope. */
export function pageWarnings(page: WireObject): readonly ApiWarning[] {
  const own = object(page, 'warning');
  const scoped = Object.entries(object(page, 'items') ?? {}).flatMap(([scope, part]) =>
    readWarnings(
      [isWireObject(part) ? object(part, 'warning') : undefined].filter((one) => one !== undefined),
      scope,
    ),
  );
  return [...(own === undefined ? [] : readWarnings([own])), ...scoped];
}
