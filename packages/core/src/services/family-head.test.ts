import { describe, expect, it } from 'vitest';
import type { Image } from '../spec/image.ts';
import type { Provider } from '../spec/provider.ts';
import { createMemoryProvider, memoryCloud } from '../testing/index.ts';
import { findHead, mayBeHead } from './family-head.ts';

const good: Image = {
  ref: { provider: 'prod', id: 'good' },
  name: 'good',
  project: 'p',
  family: 'web',
  published: true,
  status: 'READY',
  deprecation: { state: 'ACTIVE' },
  createdAt: '2026-01-01T00:00:00Z',
  diskSizeBytes: 1,
  labels: {},
};
const newer = { ...good, createdAt: '2026-02-01T00:00:00Z' };
const bad: readonly (readonly [string, Image])[] = [
  ['staged', { ...newer, published: false }],
  ['PENDING', { ...newer, status: 'PENDING' }],
  ['FAILED', { ...newer, status: 'FAILED' }],
  ['DEPRECATED', { ...newer, deprecation: { state: 'DEPRECATED' } }],
  ['OBSOLETE', { ...newer, deprecation: { state: 'OBSOLETE' } }],
  ['DELETED', { ...newer, deprecation: { state: 'DELETED' } }],
];

/** A provider that resolves and lists without looking. */
function careless(listed: readonly Image[], native?: Image): Provider {
  const provider = createMemoryProvider({ cloud: memoryCloud() });
  return {
    ...provider,
    images: {
      ...provider.images,
      async *list() {
        yield* listed;
      },
    },
    publishing: { ...provider.publishing, head: async () => native },
  };
}

describe('the head', () => {
  it.each(bad)('is never %s, whatever the cloud says', async (_, image) => {
    const selector = { kind: 'family', family: 'web' } as const;
    expect(mayBeHead(image)).toBe(false);
    expect(await findHead(careless([image, good], image), selector)).toBe(good);
    expect(await findHead(careless([image]), selector)).toBeUndefined();
  });

  it('is what the cloud says, when that may be', async () => {
    const selector = { kind: 'family', family: 'web' } as const;
    expect(await findHead(careless([newer], good), selector)).toBe(good);
  });
});
