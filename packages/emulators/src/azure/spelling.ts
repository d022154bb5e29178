import type { Answer } from '../control-plane/http-server.ts';
import { isJsonArray, isJsonObject, type Json } from '../control-plane/json.ts';
import { displayName, isRegion } from './regions.ts';

/**
 * An answer that says the same in another way, as Azure's services do from one to the next: ids in other case, but the
 * names in them, and regions as people read them. What clients keep in tags is theirs.
 */
export function respelled(answer: Answer): Answer {
  return answer.body === undefined ? answer : { ...answer, body: otherwise(answer.body) };
}

function otherwise(value: Json, field = ''): Json {
  if (typeof value === 'string') {
    if (/^\/subscriptions\//i.test(value)) return otherCase(value);
    return placeFields.has(field) && isRegion(value) ? displayName(value) : value;
  }
  if (isJsonArray(value)) return value.map((each) => otherwise(each, field));
  if (!isJsonObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, each]) => [
      name,
      each === undefined || name === 'tags' ? each : otherwise(each, name),
    ]),
  );
}

const placeFields = new Set(['location', 'locations', 'region']);

/** `/Subscriptions/…/resourcegroups/IMAGES/Providers/microsoft.compute/GALLERIES/golden`: only the names are as they were. */
function otherCase(id: string): string {
  const [start = '', ...scopes] = id.split(/\/providers\//i);
  const place = start
    .replace(
      /^\/subscriptions\/([^/]+)/i,
      (_, name: string) => `/Subscriptions/${name.toUpperCase()}`,
    )
    .replace(
      /\/resourceGroups\/([^/]+)/i,
      (_, name: string) => `/resourcegroups/${name.toUpperCase()}`,
    );
  return [place, ...scopes.map(otherTypes)].join('/Providers/');
}

/** `Microsoft.Compute/galleries/golden/images/web`: a namespace, and types and names in turn. */
function otherTypes(scope: string): string {
  const [namespace = '', ...parts] = scope.split('/');
  const spelled = parts.map((part, index) => (index % 2 === 0 ? part.toUpperCase() : part));
  return [namespace.toLowerCase(), ...spelled].join('/');
}
