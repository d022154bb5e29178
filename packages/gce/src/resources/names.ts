import { ImgkitError, type NameRule } from '@imgkit/core';

/** What resources, and families, may be called: RFC 1035, as Google says for every name of Compute Engine. */
export const resourceName: NameRule = {
  pattern: /^[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?$/,
  description:
    '1 to 63 lower-case letters, digits and hyphens, of which the first is a letter and the last is no hyphen',
};

/** @throws ImgkitError with `INVALID_ARGUMENT` if a name breaks the rule. */
export function checkName(what: string, name: string): void {
  if (typeof name === 'string' && resourceName.pattern.test(name)) return;
  throw new ImgkitError('INVALID_ARGUMENT', `"${name}" can't be the name of a ${what}`, {
    hint: `Use ${resourceName.description}.`,
  });
}
