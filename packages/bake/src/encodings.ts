import { shortestSecret } from './secret.ts';

/**
 * All the ways one secret may turn up in what a guest or an error prints: itself, each of its lines, and both encoded
 * as base64 (wrapped, URL-safe, inside a longer value), hexadecimal, URL, form, JSON, HTML, and quoted for a shell.
 *
 * Anything shorter than 4 characters is left out: it would hide ordinary text.
 */
export function encodingsOf(value: string): Set<string> {
  const found = new Set<string>();
  const wholes = new Set([value, value.trim(), value.replaceAll('\n', '\r\n')]);
  const lines = value.split(/\r\n|\r|\n/u).flatMap((line) => [line, line.trim()]);
  for (const text of [...wholes, ...lines])
    for (const encoded of encode(text)) if (encoded.length >= shortestSecret) found.add(encoded);
  return found;
}

function* encode(text: string): Generator<string> {
  if (text.trim().length < shortestSecret) return;
  const bytes = Buffer.from(text);
  const hex = bytes.toString('hex');
  yield* [text, hex, hex.toUpperCase()];
  yield* base64(bytes);
  yield* url(text);
  yield* json(text);
  yield text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
  yield* shell(text);
}

// Base64 of the bytes alone (with and without padding, wrapped as tools do it) and as part of something longer.
function* base64(bytes: Buffer): Generator<string> {
  for (const alone of [bytes, Buffer.concat([bytes, Buffer.from('\n')])]) {
    const text = alone.toString('base64');
    yield* [text, text.replace(/=+$/u, ''), alone.toString('base64url')];
    for (const width of [76, 64])
      if (text.length > width)
        for (let at = 0; at < text.length; at += width) yield text.slice(at, at + width);
  }
  // With 0, 1 or 2 bytes before it, the value shares its first and last characters with its neighbours: what lies
  // between them is always the same.
  for (const before of [0, 1, 2]) {
    const padded = Buffer.concat([Buffer.alloc(before), bytes]);
    const from = before === 0 ? 0 : before + 1;
    const to = Math.floor((padded.length * 8) / 6);
    for (const encoding of ['base64', 'base64url'] as const)
      yield padded.toString(encoding).slice(from, to);
  }
}

function* url(text: string): Generator<string> {
  // Half a character can't be encoded: there is no such form to hide then.
  if (/\p{Surrogate}/u.test(text)) return;
  const encoded = encodeURIComponent(text);
  const strict = encoded.replace(
    /[!'()*~]/gu,
    (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  for (const one of [encoded, strict, encodeURI(text)])
    yield* [
      one,
      one.replaceAll('%20', '+'),
      one.replace(/%[0-9A-F]{2}/gu, (escape) => escape.toLowerCase()),
    ];
}

function* json(text: string): Generator<string> {
  const once = JSON.stringify(text).slice(1, -1);
  const ascii = once.replace(/[^\u0020-\u007e]/gu, (c) =>
    Array.from(
      { length: c.length },
      (_, i) => `\\u${c.charCodeAt(i).toString(16).padStart(4, '0')}`,
    ).join(''),
  );
  const twice = JSON.stringify(once).slice(1, -1);
  yield* [once, once.replaceAll('/', '\\/'), ascii, twice, text.replaceAll('\n', '\\n')];
}

function* shell(text: string): Generator<string> {
  yield text.replaceAll("'", String.raw`'\''`);
  yield text.replaceAll("'", `'"'"'`);
  yield text.replaceAll(/["\\$`]/gu, String.raw`\$&`);
  yield text.replaceAll(/["\\$`!]/gu, String.raw`\$&`);
  yield text.replaceAll(/[^\w@%+=:,./-]/gu, String.raw`\$&`);
  // printf %q of bash leaves other characters alone.
  yield text.replaceAll(/[ !"$&'()*;<>?[\\\]^`{|},]/gu, String.raw`\$&`);
  yield text
    .replaceAll('\\', '\\\\')
    .replaceAll("'", String.raw`\'`)
    .replaceAll('\n', String.raw`\n`)
    .replaceAll('\t', String.raw`\t`);
}
