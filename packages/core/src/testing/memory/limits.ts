import type { Limits } from '../../spec/capabilities/limits.ts';
import type { MemoryContext } from './context.ts';

/** What a memory cloud allows. */
export function memoryLimits(context: MemoryContext): Limits {
  const { cloud, project } = context;
  return {
    documented: [
      { name: 'characters of a name', value: 63, source: 'the traits of its images' },
      { name: 'characters of a label', value: 63, source: 'the rule in its errors' },
    ],
    quotas: (options = {}) =>
      context.call('limits.quotas', undefined, options, () =>
        [...cloud.tables()].map(([kind, table]) => ({
          name: `${kind}s per project`,
          limit: cloud.quota(kind),
          used: table.all((row) => row.project === project).length,
          unit: `${kind}s`,
        })),
      ),
  };
}
