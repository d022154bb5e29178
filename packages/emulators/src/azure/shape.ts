import { isJsonArray, isJsonObject, type Json } from '../control-plane/json.ts';

/** What is wrong with a request, and where. */
export interface Complaint {
  /** `properties.publishingProfile.targetRegions[0].name` */
  readonly path: string;
  readonly message: string;
}

/** Says what is wrong with a value. */
export type Shape = (value: Json, path: string) => Iterable<Complaint>;

/** What is said of a property that a request may not have. */
export const unknownField = 'is not known';

type Fields = Readonly<Record<string, Shape>>;

/** A text, of a form if one is given. */
export function text(pattern?: RegExp, wanted = 'a text of its form'): Shape {
  return function* check(value, path) {
    if (typeof value !== 'string') yield { path, message: 'must be a text' };
    else if (pattern?.test(value) === false) yield { path, message: `must be ${wanted}` };
  };
}

/** One of some words. Azure takes them in any case, but clients write them as they are published. */
export function word(...words: readonly string[]): Shape {
  return function* check(value, path) {
    if (typeof value !== 'string' || !words.includes(value))
      yield { path, message: `must be one of ${words.join(', ')}` };
  };
}

export function integer(least: number, most: number): Shape {
  return function* check(value, path) {
    if (!Number.isSafeInteger(value) || Number(value) < least || Number(value) > most)
      yield { path, message: `must be a whole number from ${least} to ${most}` };
  };
}

export function flag(): Shape {
  return function* check(value, path) {
    if (typeof value !== 'boolean') yield { path, message: 'must be true or false' };
  };
}

/** An instant of ISO 8601. */
export function instant(): Shape {
  return function* check(value, path) {
    if (typeof value !== 'string' || Number.isNaN(Date.parse(value)) || !value.includes('T'))
      yield { path, message: 'must be an instant of ISO 8601' };
  };
}

/** A value, or null: where a change takes one back. */
export function nullable(shape: Shape): Shape {
  return (value, path) => (value === null ? [] : shape(value, path));
}

export function list(item: Shape, most = Infinity): Shape {
  return function* check(value, path) {
    if (!isJsonArray(value)) return yield { path, message: 'must be a list' };
    if (value.length > most) yield { path, message: `must not have more than ${most} items` };
    for (const [index, each] of value.entries()) yield* item(each, `${path}[${index}]`);
  };
}

/** Tags: https://learn.microsoft.com/azure/azure-resource-manager/management/tag-resources */
export function tags(): Shape {
  return function* check(value, path) {
    if (!isJsonObject(value)) return yield { path, message: 'must be an object' };
    const entries = Object.entries(value);
    if (entries.length > 50) yield { path, message: 'must not have more than 50 tags' };
    const names = new Set(entries.map(([name]) => name.toLowerCase()));
    if (names.size < entries.length) yield { path, message: 'has a name twice, in another case' };
    for (const [name, each] of entries) {
      if (name === '' || name.length > 512 || /[<>%&\\?/]/.test(name))
        yield { path: `${path}.${name}`, message: 'is no name of a tag' };
      if (typeof each !== 'string' || each.length > 256)
        yield { path: `${path}.${name}`, message: 'must be a text of at most 256 characters' };
    }
  };
}

/** An object with these properties and no others. */
export function object(required: Fields, optional: Fields = {}): Shape {
  return function* check(value, path) {
    if (!isJsonObject(value)) return yield { path, message: 'must be an object' };
    const at = (name: string): string => (path === '' ? name : `${path}.${name}`);
    for (const name of Object.keys(required))
      if (value[name] === undefined) yield { path: at(name), message: 'is required' };
    for (const [name, each] of Object.entries(value)) {
      const shape = required[name] ?? optional[name];
      if (shape === undefined) yield { path: at(name), message: unknownField };
      else if (each !== undefined) yield* shape(each, at(name));
    }
  };
}
