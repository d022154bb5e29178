import type { ApiDescription, MethodDescription } from './api-description.ts';

/** A method of the API with the parameters that the path gives it. */
export interface Route {
  readonly method: MethodDescription;
  readonly parameters: Readonly<Record<string, string>>;
}

/** Finds the method of the API for an HTTP method and a path. */
export interface Router {
  find(httpMethod: string, path: string): Route | undefined;
  /** The HTTP methods that the API has for a path. */
  allowed(path: string): readonly string[];
}

/** Every method of the API, also those that aren't emulated: so that a refusal can name them. */
export function createRouter({ methods }: ApiDescription): Router {
  const byLength = new Map<number, MethodDescription[]>();
  for (const method of methods) {
    const { length } = method.segments;
    byLength.set(length, [...(byLength.get(length) ?? []), method]);
  }
  // instances/{instance}/getIamPolicy goes before {parent}/hosts/{host}: the sooner literal, the better.
  for (const group of byLength.values()) group.sort((a, b) => (shape(a) > shape(b) ? -1 : 1));

  const matching = function* (path: string): Iterable<Route> {
    const parts = path.slice(1).split('/');
    for (const method of byLength.get(parts.length) ?? []) {
      const parameters = match(method, parts);
      if (parameters) yield { method, parameters };
    }
  };
  return {
    find(httpMethod, path) {
      for (const route of matching(path)) if (route.method.httpMethod === httpMethod) return route;
    },
    allowed: (path) => [...new Set([...matching(path)].map(({ method }) => method.httpMethod))],
  };
}

/** `1` for each literal segment, `0` for each parameter. */
function shape({ segments }: MethodDescription): string {
  return segments.map((segment) => ('literal' in segment ? '1' : '0')).join('');
}

function match(
  { segments }: MethodDescription,
  parts: readonly string[],
): Record<string, string> | undefined {
  const parameters: Record<string, string> = {};
  for (const [index, segment] of segments.entries()) {
    const part = parts[index] ?? '';
    if ('literal' in segment) {
      if (segment.literal !== part) return undefined;
    } else {
      if (part === '') return undefined;
      parameters[segment.parameter] = decode(part);
    }
  }
  return parameters;
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
