import { checkMembers, invalid } from '../check.ts';
import { parseDuration, type Duration } from '../duration.ts';
import type { Provisioner } from '../provisioner.ts';

/** How {@link reboot} restarts. */
export interface RebootOptions {
  /** How long the machine may take until it can be reached again. Default: ten minutes. */
  readonly timeout?: Duration | undefined;
}

/**
 * Restarts the machine. It is done when the guest can be reached again and its boot id proves that it is another boot: what comes next never
 * runs on a machine that is still going down.
 */
export function reboot(options: RebootOptions = {}): Provisioner {
  const { timeout = '10m' } = options;
  return {
    kind: 'reboot',
    label: 'reboot',
    settings: {},
    timeoutMs: Number.POSITIVE_INFINITY,
    check(path) {
      checkMembers(options, path, ['timeout']);
      if (parseDuration(timeout, `${path}.timeout`) === 0)
        throw invalid(`${path}.timeout`, 'must be longer than nothing');
    },
    async run(machine, context) {
      // After a crash: the restart may be over already, and one is enough.
      const since = typeof context.memory === 'string' ? context.memory : await machine.bootId();
      context.remember(since);
      await machine.restart({ since, timeoutMs: parseDuration(timeout, 'timeout') });
    },
  };
}
