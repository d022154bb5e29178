import { isJsonArray, isJsonObject, type Json, type JsonObject } from '../control-plane/json.ts';
import { ApiError } from './errors.ts';

/** Whether a resource passes a filter. */
export type Filter = (resource: JsonObject) => boolean;

/**
 * Reads a filter expression of Google's list methods: comparisons (`=`, `!=`, `<`, `<=`, `>`, `>=`, `:`, and `eq`, `ne`
 * with regular expressions), joined by `AND` (or nothing), `OR`, `NOT` and parentheses. Fields are nested with dots.
 */
export function parseFilter(text: string): Filter {
  const tokens = tokenize(text);
  let at = 0;
  const peek = () => tokens[at];
  const refuse = (): never => {
    throw new ApiError(
      400,
      'invalid',
      `Invalid value for field 'filter': '${text}'. Invalid list filter expression.`,
    );
  };

  const either = (): Filter => {
    const terms = [both()];
    while (peek()?.text.toUpperCase() === 'OR') {
      at += 1;
      terms.push(both());
    }
    return (resource) => terms.some((term) => term(resource));
  };
  const both = (): Filter => {
    const terms = [single()];
    for (let next = peek(); next && next.text !== ')'; next = peek()) {
      if (next.text.toUpperCase() === 'OR') break;
      if (next.text.toUpperCase() === 'AND') at += 1;
      terms.push(single());
    }
    return (resource) => terms.every((term) => term(resource));
  };
  const single = (): Filter => {
    const token = tokens[at++] ?? refuse();
    if (token.text === '(' && !token.quoted) {
      const inner = either();
      if (tokens[at++]?.text !== ')') refuse();
      return inner;
    }
    if ((token.text.toUpperCase() === 'NOT' || token.text === '-') && !token.quoted) {
      const inner = single();
      return (resource) => !inner(resource);
    }
    const operator = tokens[at++]?.text ?? refuse();
    const value = tokens[at++] ?? refuse();
    if (!operators.test(operator) || /^[()]$/.test(value.text)) refuse();
    return comparison(token.text, operator, value.text);
  };

  const filter = either();
  if (at < tokens.length) refuse();
  return filter;
}

interface Token {
  readonly text: string;
  readonly quoted: boolean;
}

const operators = /^(=|!=|<=|>=|<|>|:|eq|ne)$/;
const tokenForm =
  /\s*(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|(\(|\)|!=|<=|>=|=|<|>|:|-(?=[a-z(]))|([^\s()=!<>:"']+))/gy;

function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  const source = text.trimEnd();
  tokenForm.lastIndex = 0;
  let end = 0;
  while (end < source.length) {
    const match = tokenForm.exec(source);
    if (!match) break;
    const quoted = match[1] ?? match[2];
    tokens.push({
      text: quoted?.replaceAll(/\\(.)/g, '$1') ?? match[3] ?? match[4] ?? '',
      quoted: quoted !== undefined,
    });
    end = tokenForm.lastIndex;
  }
  if (end < source.length || tokens.length === 0) {
    throw new ApiError(
      400,
      'invalid',
      `Invalid value for field 'filter': '${text}'. Invalid list filter expression.`,
    );
  }
  return tokens;
}

function comparison(path: string, operator: string, wanted: string): Filter {
  const test = tester(operator, wanted);
  const negative = operator === '!=' || operator === 'ne';
  return (resource) => {
    const found = valuesAt(resource, path.split('.'));
    if (negative) return found.every((value) => test(value));
    return found.some((value) => test(value));
  };
}

function tester(operator: string, wanted: string): (value: string) => boolean {
  switch (operator) {
    case '=':
    case '!=': {
      const same = wildcard(wanted);
      return operator === '=' ? same : (value) => !same(value);
    }
    case ':': {
      if (wanted === '*') return () => true;
      if (wanted.includes('*')) return wildcard(wanted);
      const part = wanted.toLowerCase();
      return (value) =>
        value
          .toLowerCase()
          .split(/[^\p{L}\p{N}_-]+/u)
          .includes(part) || value.toLowerCase() === part;
    }
    case 'eq':
    case 'ne': {
      const whole = regularExpression(wanted);
      return operator === 'eq' ? (value) => whole.test(value) : (value) => !whole.test(value);
    }
    default:
      return (value) => ordered(operator, compareValues(value, wanted));
  }
}

function ordered(operator: string, order: number): boolean {
  if (operator === '<') return order < 0;
  if (operator === '<=') return order <= 0;
  return operator === '>' ? order > 0 : order >= 0;
}

function compareValues(a: string, b: string): number {
  const [left, right] = [Number(a), Number(b)];
  if (!Number.isNaN(left) && !Number.isNaN(right)) return left - right;
  const date = /^\d{4}-\d{2}-\d{2}/;
  if (date.test(a) && date.test(b)) return Date.parse(a) - Date.parse(b);
  return a < b ? -1 : a > b ? 1 : 0;
}

function wildcard(pattern: string): (value: string) => boolean {
  if (!pattern.includes('*')) return (value) => value === pattern;
  const source = pattern
    .split('*')
    .map((part) => part.replaceAll(/[.+?^${}()|[\]\\]/g, String.raw`\$&`))
    .join('.*');
  const whole = new RegExp(`^${source}$`, 's');
  return (value) => whole.test(value);
}

function regularExpression(source: string): RegExp {
  try {
    return new RegExp(`^(?:${source})$`, 's');
  } catch {
    throw new ApiError(
      400,
      'invalid',
      `Invalid value for field 'filter': '${source}'. Invalid regular expression.`,
    );
  }
}

/** The values at a path, as text; each of a list's. */
function valuesAt(value: Json | undefined, path: readonly string[]): string[] {
  if (value === undefined || value === null) return [];
  if (isJsonArray(value)) return value.flatMap((item) => valuesAt(item, path));
  const [key, ...rest] = path;
  if (key === undefined) return isJsonObject(value) ? ['[object]'] : [String(value)];
  return isJsonObject(value) ? valuesAt(value[key], rest) : [];
}
