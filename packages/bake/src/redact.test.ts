import { ImgkitError } from '@imgkit/core';
import * as fc from 'fast-check';
import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { encodingsOf } from './encodings.ts';
import { Redactor } from './redact.ts';
import { redacted, secret } from './secret.ts';

const pem =
  '-----BEGIN KEY-----\nMIIBVQIBADANBgkqh"kiG\'9w0 B/AQ+EF$\nAASCAT8wggE7\n-----END KEY-----\n';

/** A secret value that isn't part of the mark that replaces it. */
const value = fc
  .oneof(
    fc.string({ minLength: 4, maxLength: 80 }),
    fc.string({ unit: 'binary', minLength: 4, maxLength: 40 }),
    fc
      .array(fc.string({ minLength: 4, maxLength: 20 }), { minLength: 2, maxLength: 4 })
      .map((lines) => lines.join('\n')),
    fc.string({
      unit: fc.constantFrom('a', 'b', ' ', "'", '"', '\\', '/', '&'),
      minLength: 4,
      maxLength: 12,
    }),
  )
  .filter(
    (text) =>
      text.trim().length >= 4 && [...encodingsOf(text)].every((one) => !redacted.includes(one)),
  );

const cuts = fc.array(fc.nat({ max: 30 }), { maxLength: 200 });

function inPieces(redactor: Redactor, text: string, sizes: readonly number[]): string {
  const stream = redactor.stream();
  let out = '';
  let at = 0;
  for (const size of sizes) {
    out += stream.push(text.slice(at, at + size));
    at += size;
  }
  return out + stream.push(text.slice(at)) + stream.end();
}

describe('Redactor', () => {
  it('lets no encoding of a secret through, however the text is cut', () => {
    fc.assert(
      fc.property(
        value,
        fc.string(),
        fc.string(),
        cuts,
        fc.nat(),
        (plain, before, after, sizes, pick) => {
          const encodings = [...encodingsOf(plain)];
          const shown = encodings[pick % encodings.length] ?? plain;
          const redactor = new Redactor([secret(plain)]);
          const out = inPieces(redactor, before + shown + after, sizes);
          const joined = out.split(redacted).join('\u0000');
          for (const one of encodings) expect(joined.includes(one)).toBe(false);
        },
      ),
      { numRuns: 400 },
    );
  });

  it('gives the same text however it is cut, and leaves the rest alone', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom('abab', 'ab', 'b', 'xabx', 'aXbab', 'axabxaxabx'), {
          maxLength: 40,
        }),
        cuts,
        (parts, sizes) => {
          const redactor = new Redactor([secret('abab'), secret('xabx')]);
          const text = parts.join('');
          expect(inPieces(redactor, text, sizes)).toBe(redactor.text(text));
        },
      ),
      { numRuns: 400 },
    );
    expect(new Redactor([secret('hunter22')]).text('nothing to hide')).toBe('nothing to hide');
  });

  it('covers both of two secrets that overlap', () => {
    expect(new Redactor([secret('abcd'), secret('cdef')]).text('1abcdef2')).toBe(`1${redacted}2`);
  });

  it.each([
    ['a line of it', 'MIIBVQIBADANBgkqh"kiG\'9w0 B/AQ+EF$'],
    ['base64', Buffer.from(pem).toString('base64')],
    [
      'base64 wrapped',
      (
        Buffer.from(pem)
          .toString('base64')
          .match(/.{1,76}/gu) ?? []
      ).join('\n'),
    ],
    ['JSON', JSON.stringify(pem).slice(1, -1)],
    ['JSON in JSON', JSON.stringify(JSON.stringify({ pem })).slice(12, -4)],
    ['URL', encodeURIComponent(pem)],
    ['form', new URLSearchParams({ pem }).toString().slice(4)],
    ['shell', pem.replaceAll("'", String.raw`'\''`)],
    ['hexadecimal', Buffer.from(pem).toString('hex')],
    ['CRLF', pem.replaceAll('\n', '\r\n')],
  ])('hides a multi-line key as %s', (_, shown) => {
    const out = new Redactor([secret(pem)]).text(`<${shown}>`);
    expect(out.replaceAll(redacted, '')).toMatch(/^<[\s=]*>$/u);
  });

  it('hides a secret in base64 of something longer', () => {
    for (const user of ['a', 'ab', 'abc']) {
      const header = Buffer.from(`${user}:correct-horse-battery`).toString('base64');
      expect(new Redactor([secret('correct-horse-battery')]).text(header)).toContain(redacted);
    }
  });

  it('holds back no more than may be the beginning of a secret', () => {
    const stream = new Redactor([secret('hunter22')]).stream();
    expect(stream.push('Password: hunt')).toBe('Password: ');
    expect(stream.push('ing season')).toBe('hunting season');
    expect(stream.end()).toBe('');
  });

  it('cleans errors with all their causes and details', () => {
    const redactor = new Redactor([secret('hunter22')]);
    const error = new ImgkitError('OPERATION_FAILED', 'login with hunter22 failed', {
      provider: 'qemu',
      data: { output: ['password=hunter22'], hunter22: 1 },
      cause: new TypeError('hunter22 is wrong', { cause: 'aHVudGVyMjI=' }),
    });
    const clean = redactor.error(error);
    expect(ImgkitError.is(clean, 'OPERATION_FAILED') && clean.provider).toBe('qemu');
    expect(inspect(clean, { depth: 9 })).not.toMatch(/hunter22|aHVudGVyMjI/u);
    expect(inspect(clean, { depth: 9 })).toContain(redacted);
  });
});

describe('secret', () => {
  it('never shows its value', () => {
    const one = secret('hunter22');
    expect(
      `${String(one)} ${JSON.stringify({ one })} ${inspect({ one }, { showHidden: true })}`,
    ).not.toContain('hunter22');
    expect(one.reveal()).toBe('hunter22');
  });

  it('refuses what is too short to hide', () => {
    for (const text of ['', 'abc', '   a   ']) expect(() => secret(text)).toThrow(/at least 4/u);
  });
});
