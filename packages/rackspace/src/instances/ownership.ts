import { ownershipLabels, type Labels } from '@imgkit/core';
import { z } from 'zod';

// Key pairs have nothing but a name, and floating addresses nothing but a description: who owns them stands
// there, in letters, digits, hyphens and underscores, which is all that names of key pairs may have everywhere.
// https://docs.openstack.org/api-ref/compute/#import-or-create-keypair

/** What names of key pairs and descriptions may have at most. */
const maxLength = 255;
const order = [
  ownershipLabels.owner,
  ownershipLabels.run,
  ownershipLabels.expires,
  ownershipLabels.step,
] as const;
const form = /^imgkit-owned-[\da-z]+-([\w-]+)$/;
const content = z.array(z.string()).max(order.length);

/**
 * A name that says by which labels a thing is owned, and tells it from others by `mark`, of letters and digits. Of
 * labels that are too long, the last ones are left out: the thing is still found by its owner and its run.
 */
export function ownedName(labels: Labels, mark: string): string {
  const start = markedPrefix(mark);
  for (let count: number = order.length; ; count -= 1) {
    const values = order.slice(0, count).map((key) => labels[key] ?? '');
    const text = Buffer.from(JSON.stringify(values)).toString('base64url');
    const name = `${start}${text}`;
    if (name.length <= maxLength || count === 0) return name;
  }
}

/** How all names with a mark begin. */
export function markedPrefix(mark: string): string {
  return `imgkit-owned-${mark}-`;
}

/** The labels that such a name holds; nothing for any other name. */
export function labelsOfName(name: string): Labels | undefined {
  const text = form.exec(name)?.[1];
  if (text === undefined) return undefined;
  try {
    const values = content.parse(JSON.parse(Buffer.from(text, 'base64url').toString()));
    const labels = order.map((key, index) => [key, values[index] ?? ''] as const);
    return Object.fromEntries(labels.filter(([, value]) => value !== ''));
  } catch {
    return undefined;
  }
}
