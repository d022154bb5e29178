/** A JSON value. Properties that are `undefined` are left out when it is written. */
export type Json = string | number | boolean | null | readonly Json[] | JsonObject;

/** A JSON object. */
export interface JsonObject {
  readonly [key: string]: Json | undefined;
}

/** A JSON object under construction, or one whose properties change with time. */
export interface MutableJsonObject {
  [key: string]: Json | undefined;
}

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function isJsonArray(value: unknown): value is readonly Json[] {
  return Array.isArray(value);
}

/** The text at a property, or undefined when there is none, or it is empty. */
export function textOf(object: JsonObject | undefined, key: string): string | undefined {
  const value = object?.[key];
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** The object at a property. */
export function objectOf(object: JsonObject | undefined, key: string): JsonObject | undefined {
  const value = object?.[key];
  return isJsonObject(value) ? value : undefined;
}

/** The objects in the list at a property. */
export function objectsOf(object: JsonObject | undefined, key: string): readonly JsonObject[] {
  const value = object?.[key];
  return isJsonArray(value) ? value.filter(isJsonObject) : [];
}

/** The texts in the list at a property. */
export function textsOf(object: JsonObject | undefined, key: string): readonly string[] {
  const value = object?.[key];
  return isJsonArray(value) ? value.filter((item) => typeof item === 'string') : [];
}

/** The text properties of the object at a property: labels, for example. */
export function textMapOf(object: JsonObject | undefined, key: string): Record<string, string> {
  const entries = Object.entries(objectOf(object, key) ?? {});
  return Object.fromEntries(
    entries.filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  );
}
