import { ContainerModule } from 'inversify';
import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { definePlugin, isPluginFactory } from './define-plugin.ts';

const empty = new ContainerModule(() => undefined);

const gce = definePlugin({
  specVersion: 'v1',
  kind: 'gce',
  options: z.strictObject({
    project: z.string(),
    zones: z.array(z.string()).default(['a']),
    quota: z.object({ cpus: z.number() }).optional(),
  }),
  module: () => empty,
});

describe('a plugin', () => {
  it('is named after its kind, or as it is told', () => {
    expect(gce({ project: 'p' })).toMatchObject({ specVersion: 'v1', kind: 'gce', name: 'gce' });
    expect(gce({ project: 'p', name: 'prod' })).toMatchObject({ kind: 'gce', name: 'prod' });
    expect(gce.kind).toBe('gce');
  });

  it('gets its options as the schema gives them', () => {
    const given: unknown[] = [];
    const spy = definePlugin({
      specVersion: 'v1',
      kind: 'spy',
      options: z.strictObject({ zones: z.array(z.string()).default(['a']) }),
      module(options) {
        given.push(options);
        return empty;
      },
    });
    spy({ name: 'x' });
    spy();
    expect(given).toEqual([{ zones: ['a'] }, { zones: ['a'] }]);
  });

  it('refuses options at once, and says which', () => {
    const options = { project: 1, quota: { cpus: 'many' }, zone: 'a' };
    expect(() => gce(JSON.parse(JSON.stringify(options)))).toThrowError(
      expect.objectContaining({
        code: 'INVALID_ARGUMENT',
        provider: 'gce',
        data: {
          issues: [
            expect.stringMatching(/^project: /),
            expect.stringMatching(/^quota\.cpus: /),
            expect.stringContaining('"zone"'),
          ],
        },
      }),
    );
  });

  it.each(['', 'Prod', 'a:b', '1a', 'a'.repeat(64)])('refuses the name "%s"', (name) => {
    expect(() => gce({ project: 'p', name })).toThrowError(
      expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
    );
  });

  it('takes no schema that answers later', () => {
    const slow = definePlugin({
      specVersion: 'v1',
      kind: 'slow',
      options: z.object({}).refine(() => Promise.resolve(true)),
      module: () => empty,
    });
    expect(() => slow()).toThrowError(/later|async/i);
    const later = definePlugin({
      specVersion: 'v1',
      kind: 'later',
      options: {
        '~standard': { version: 1, vendor: 'test', validate: async () => ({ value: {} }) },
      },
      module: () => empty,
    });
    expect(() => later({})).toThrowError(expect.objectContaining({ code: 'PLUGIN_INVALID' }));
  });

  it('is recognized by its brand', () => {
    expect(isPluginFactory(gce)).toBe(true);
    expect(isPluginFactory(() => undefined)).toBe(false);
    expect(isPluginFactory(undefined)).toBe(false);
  });
});
