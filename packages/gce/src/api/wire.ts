/** A value as the API sends it: JSON, with 64-bit numbers as text. */
export type WireValue = string | number | boolean | null | readonly WireValue[] | WireObject;

/** A resource, or a part of one, in the API's own names. */
export interface WireObject {
  readonly [key: string]: WireValue | undefined;
}

/** What is sent. What is `undefined` is left out. */
export type WireRequest = Readonly<Record<string, WireValue | undefined>>;

/** Whether a value has fields. */
export function isWireObject(value: unknown): value is WireObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * What the SDK gives, without its own additions: beside each optional field it gives a `_field: 'field'`.
 * Absent lists come as `[]` and absent maps as `{}`.
 */
export function fromSdk(value: unknown): WireValue {
  if (typeof value !== 'object' || value === null) return isPlain(value) ? value : null;
  // Loops rather than callbacks: it is done for each of thousands of images.
  if (Array.isArray(value)) {
    const list: WireValue[] = [];
    for (const entry of value) list.push(fromSdk(entry));
    return list;
  }
  const fields: Record<string, WireValue> = {};
  if (!isRecord(value)) return fields;
  for (const key of Object.keys(value)) {
    const field = value[key];
    if (field === undefined || field === null) continue;
    if (key.startsWith('_') && field === key.slice(1)) continue;
    fields[key] = typeof field === 'object' ? fromSdk(field) : isPlain(field) ? field : null;
  }
  return fields;
}

function isPlain(value: unknown): value is string | number | boolean {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
}

function isRecord(value: object): value is Readonly<Record<string, unknown>> {
  return !Array.isArray(value);
}

/** A text; what isn't one, and an empty one, is nothing. */
export function text(parent: WireObject | undefined, key: string): string | undefined {
  const value = parent?.[key];
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** A number, also one that came as text. */
export function number(parent: WireObject | undefined, key: string): number | undefined {
  const value = parent?.[key];
  const found = typeof value === 'string' && value !== '' ? Number(value) : value;
  return typeof found === 'number' && Number.isFinite(found) ? found : undefined;
}

/** Whether a field is true. */
export function flag(parent: WireObject | undefined, key: string): boolean {
  return parent?.[key] === true;
}

/** A part with fields. */
export function object(parent: WireObject | undefined, key: string): WireObject | undefined {
  const value = parent?.[key];
  return isWireObject(value) ? value : undefined;
}

/** A list of parts with fields; empty when there is none. */
export function objects(parent: WireObject | undefined, key: string): readonly WireObject[] {
  const value = parent?.[key];
  return Array.isArray(value) ? value.filter(isWireObject) : [];
}

/** A list of texts; empty when there is none. */
export function texts(parent: WireObject | undefined, key: string): readonly string[] {
  const value = parent?.[key];
  return Array.isArray(value) ? value.filter((entry) => typeof entry === 'string') : [];
}

/** A map of texts; empty when there is none. */
export function textMap(parent: WireObject | undefined, key: string): Record<string, string> {
  const map: Record<string, string> = {};
  for (const [name, value] of Object.entries(object(parent, key) ?? {}))
    if (typeof value === 'string') map[name] = value;
  return map;
}
