import { describe, expect, it } from 'vitest';

import { freshProvider, makeImage } from '../test/local-provider.ts';
import { refusal } from '../test/scratch.ts';

describe('publishing', () => {
  it('makes the ACTIVE image that was published last the head, and nothing else does', async () => {
    const provider = await freshProvider();
    const { publishing, deprecation, images } = provider;
    const head = async (): Promise<string | undefined> => (await publishing.head('web'))?.name;
    const one = await makeImage(provider, 'web-1', 'web');
    const two = await makeImage(provider, 'web-2', 'web');
    expect(await head()).toBeUndefined();
    const published = await publishing.publish(one.ref.id, { family: 'web', version: '1' });
    expect(published).toMatchObject({ published: true, version: '1' });
    expect(await publishing.publish(one.ref.id, { family: 'web' })).toEqual(published);
    expect(await head()).toBe('web-1');
    await publishing.publish(two.ref.id, { family: 'web' });
    expect(await head()).toBe('web-2');
    await deprecation.set(two.ref.id, { state: 'DEPRECATED' });
    expect(await head()).toBe('web-1');
    expect(await refusal(publishing.publish(two.ref.id, { family: 'web' }))).toMatch(
      /^FAILED_PRECONDITION.*DEPRECATED/,
    );
    await deprecation.set(two.ref.id, { state: 'ACTIVE' });
    await publishing.withdraw(one.ref.id);
    await publishing.publish(one.ref.id, { family: 'web' });
    expect(await head()).toBe('web-1');
    expect(await publishing.withdraw(two.ref.id)).toMatchObject({
      published: false,
      family: 'web',
    });
    await publishing.withdraw(two.ref.id);
    expect(await head()).toBe('web-1');
    await images.delete(one.ref.id);
    expect(await head()).toBeUndefined();
    expect(await refusal(publishing.publish(two.ref.id, { family: 'A B' }))).toMatch(/^INVALID/);
  });
});
