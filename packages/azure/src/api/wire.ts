/** A resource, or a part of one, as the SDK gives it: its properties beside its name and tags, dates as `Date`. */
export interface WireObject {
  readonly [key: string]: unknown;
}

/** Whether a value has fields. */
export function isWireObject(value: unknown): value is WireObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A text; what isn't one, and an empty one, is nothing. */
export function text(parent: WireObject | undefined, key: string): string | undefined {
  const value = parent?.[key];
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** A number. */
export function number(parent: WireObject | undefined, key: string): number | undefined {
  const value = parent?.[key];
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}

/** Whether a field is true. */
export function flag(parent: WireObject | undefined, key: string): boolean {
  return parent?.[key] === true;
}

/** An instant as ISO 8601, whether it came as text or as a date. */
export function instant(parent: WireObject | undefined, key: string): string | undefined {
  const value = parent?.[key];
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? undefined : value.toISOString();
  return text(parent, key);
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

/** A map of texts; empty when there is none. */
export function textMap(parent: WireObject | undefined, key: string): Record<string, string> {
  const map: Record<string, string> = {};
  for (const [name, value] of Object.entries(object(parent, key) ?? {}))
    if (typeof value === 'string') map[name] = value;
  return map;
}
