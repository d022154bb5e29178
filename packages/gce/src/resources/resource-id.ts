/** The parts of the id of a resource. */
export interface ResourceId {
  readonly project: string;
  /** `global`, `zones/us-central1-a`, `regions/us-central1`. */
  readonly scope: string;
  /** The API's name of what it is one of: `images`, `instanceGroupManagers`. */
  readonly collection: string;
  readonly name: string;
}

const form =
  /^(?:https?:\/\/[^/]+\/(?:compute\/(?:v1|beta|alpha)\/)?)?projects\/([^/]+)\/(global|zones\/[^/]+|regions\/[^/]+)\/([^/]+)\/([^/?#]+)$/;

/** The id of a resource: `projects/acme/global/images/web-1`. */
export function formatId({ project, scope, collection, name }: ResourceId): string {
  return `projects/${project}/${scope}/${collection}/${name}`;
}

/** Reads an id, or one of the URLs that Google writes it as; nothing for other texts. */
export function parseResourceId(id: string | undefined): ResourceId | undefined {
  const [, project, scope, collection, name] = form.exec(id ?? '') ?? [];
  return project && scope && collection && name ? { project, scope, collection, name } : undefined;
}

/** Reads an id of one collection; nothing for ids of others. */
export function parseIdOf(collection: string, id: string | undefined): ResourceId | undefined {
  const found = parseResourceId(id);
  return found?.collection === collection ? found : undefined;
}

/** The id in its shortest form: without the server that a URL begins with. */
export function shortId(id: string): string {
  const found = parseResourceId(id);
  return found === undefined ? id : formatId(found);
}

/** The URL of a resource, as Google writes it where one resource names another. */
export function urlOf(id: string): string {
  return `https://www.googleapis.com/compute/v1/${shortId(id)}`;
}

/** Whether two ids, or URLs, name the same resource. A project's number isn't recognized as its id. */
export function sameId(a: string, b: string): boolean {
  return a === b || shortId(a) === shortId(b);
}

/** The zone of a scope. */
export function zoneOf(scope: string): string | undefined {
  return scope.startsWith('zones/') ? scope.slice('zones/'.length) : undefined;
}

/** The region of a scope; that of the zone for a zone. */
export function regionOf(scope: string): string | undefined {
  if (scope.startsWith('regions/')) return scope.slice('regions/'.length);
  return zoneOf(scope)?.replace(/-[^-]*$/, '');
}
