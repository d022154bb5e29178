import { ImgkitError, type NameRule } from '@imgkit/core';

/**
 * What image definitions may be called, and so families and images.
 * https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules#microsoftcompute
 */
export const definitionName: NameRule = {
  pattern: /^[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,78}[A-Za-z0-9])?$/,
  description:
    '1 to 80 letters, digits, dots, underscores and hyphens, of which the first and the last is a letter or digit',
};

/**
 * What machines may be called: what can be the host name of a Linux guest, too.
 * https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules#microsoftcompute
 */
export const machineName: NameRule = {
  pattern: /^[A-Za-z0-9](?:[A-Za-z0-9-]{0,62}[A-Za-z0-9])?$/,
  description:
    '1 to 64 letters, digits and hyphens, of which the first and the last is a letter or digit',
};

/** What images, families, disks and snapshots may be called: what is allowed for all of them. */
export function checkName(kind: string, name: string): void {
  if (typeof name === 'string' && definitionName.pattern.test(name)) return;
  throw new ImgkitError('INVALID_ARGUMENT', `"${name}" can't be the name of ${kind}`, {
    hint: `Use ${definitionName.description}.`,
  });
}

/** Whether two names are one to Azure, which tells none apart that differ in case. */
export function sameName(a: string | undefined, b: string | undefined): boolean {
  return a?.toLowerCase() === b?.toLowerCase();
}
