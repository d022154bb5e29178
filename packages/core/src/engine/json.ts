import { ImgkitError } from '../spec/errors.ts';

/** The most that one recorded value may take, in bytes of JSON text: 64 KiB. */
const recordLimit = 64 * 1024;

/**
 * The JSON text of `value`, or `undefined` when the value is.
 *
 * @param what - What the value is, for the error, for example `the result of step "launch"`.
 * @throws {@link ImgkitError} `INVALID_ARGUMENT` when the value isn't plain JSON data (a class, a function,
 * `NaN`, a cycle) or is longer than {@link recordLimit}.
 */
export function encode(value: unknown, what: string): string | undefined {
  if (value === undefined) return undefined;
  const path = findForeign(value, '', new Set());
  if (path !== undefined) {
    throw new ImgkitError(
      'INVALID_ARGUMENT',
      `${what} can't be recorded: ${path} is not plain JSON data`,
      {
        hint: 'Return ids, states and numbers; keep live objects in `memo`, and large data in files.',
      },
    );
  }
  const text = JSON.stringify(value);
  const bytes = Buffer.byteLength(text);
  if (bytes > recordLimit) {
    throw new ImgkitError(
      'INVALID_ARGUMENT',
      `${what} takes ${bytes} bytes, more than the ${recordLimit} that may be recorded`,
      {
        hint: 'Write large data to a file and return its path.',
      },
    );
  }
  return text;
}

/** Where in `value` something is that JSON would drop or change. */
function findForeign(value: unknown, path: string, above: Set<object>): string | undefined {
  const here = path === '' ? 'it' : `"${path}"`;
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return undefined;
    case 'number':
      return Number.isFinite(value) ? undefined : here;
    case 'object':
      break;
    default:
      return here;
  }
  if (value === null) return undefined;
  if (above.has(value)) return here;
  const plain =
    Array.isArray(value) || [null, Object.prototype].includes(Object.getPrototypeOf(value));
  if (!plain) return here;
  above.add(value);
  for (const [key, member] of Object.entries(value)) {
    // An absent optional member is often written as `undefined`; JSON leaves it out, which is what it means.
    if (member === undefined && !Array.isArray(value)) continue;
    const found = findForeign(member, path === '' ? key : `${path}.${key}`, above);
    if (found !== undefined) return found;
  }
  above.delete(value);
  return undefined;
}

/**
 * What {@link encode} wrote. The type is the writer's word: a journal is read by the program that wrote it, and a change
 * of what it writes is what a workflow's protocol number is for.
 */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- says at each call what was written
export function decode<T>(text: string | undefined): T {
  const value: T = text === undefined ? undefined : JSON.parse(text);
  return value;
}
