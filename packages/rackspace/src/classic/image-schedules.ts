import type { CallOptions, Images } from '@imgkit/core';

import { knownServer } from '../instances/server-state.ts';
import type { ScheduleClient } from '../nova/schedule-client.ts';
import type { CloudContext } from '../resources/context.ts';
import { invalid } from '../resources/rules.ts';

const daysOfWeek = [
  'SUNDAY',
  'MONDAY',
  'TUESDAY',
  'WEDNESDAY',
  'THURSDAY',
  'FRIDAY',
  'SATURDAY',
] as const;

/** When the cloud itself makes images of a server. */
export interface ImageSchedule {
  /** How many of them are kept, from 1 to 65,535: the cloud deletes the oldest of its own. */
  readonly retention: number;
  /** The day of the week; every day without. */
  readonly dayOfWeek?: (typeof daysOfWeek)[number] | undefined;
}

/**
 * The images that the classic Rackspace cloud makes of servers by itself. They are the cloud's to delete: they have
 * none of imgkit's labels, belong to no family, and imgkit deletes none of them.
 *
 * @see https://docs.rackspace.com/docs/create-an-image-of-a-cloud-server-and-restore-a-server-from-a-saved-image
 */
export interface ImageSchedules {
  /**
   * Gives the schedule of an instance; nothing when it has none.
   *
   * @throws {@link ImgkitError} with `NOT_FOUND` for the instance.
   */
  get(instance: string, options?: CallOptions): Promise<ImageSchedule | undefined>;
  /**
   * Sets the schedule of an instance, in place of one that it has.
   *
   * @throws {@link ImgkitError} with `INVALID_ARGUMENT` for a retention or a day that can't be, `NOT_FOUND` for the
   *   instance.
   */
  set(instance: string, schedule: ImageSchedule, options?: CallOptions): Promise<void>;
  /**
   * Ends the schedule of an instance; the images that it made stay. Ending one that isn't there succeeds.
   *
   * @throws {@link ImgkitError} with `NOT_FOUND` for the instance.
   */
  remove(instance: string, options?: CallOptions): Promise<void>;
}

/** {@link ImageSchedules} of one cloud. */
export class ClassicImageSchedules implements ImageSchedules {
  readonly #context: CloudContext;
  readonly #client: ScheduleClient;

  constructor(context: CloudContext, client: ScheduleClient) {
    this.#context = context;
    this.#client = client;
  }

  get(instance: string, options?: CallOptions): Promise<ImageSchedule | undefined> {
    return this.#call('get', instance, options, async () => {
      const found = await this.#client.find(instance, options);
      if (found === undefined) return undefined;
      const dayOfWeek = daysOfWeek.find((day) => day === found.day_of_week?.toUpperCase());
      return { retention: found.retention, ...(dayOfWeek !== undefined && { dayOfWeek }) };
    });
  }

  set(instance: string, schedule: ImageSchedule, options?: CallOptions): Promise<void> {
    return this.#call('set', instance, options, async () => {
      const { retention, dayOfWeek } = schedule;
      if (!Number.isSafeInteger(retention) || retention < 1 || retention > 65_535)
        throw invalid(`${retention} images can't be kept`, 'Give a whole number, 1 to 65535.');
      if (dayOfWeek !== undefined && !daysOfWeek.includes(dayOfWeek))
        throw invalid(`"${dayOfWeek}" is no day of the week`, `Use ${daysOfWeek.join(', ')}.`);
      const wanted = { retention, ...(dayOfWeek !== undefined && { day_of_week: dayOfWeek }) };
      await this.#client.set(instance, wanted, options);
    });
  }

  remove(instance: string, options?: CallOptions): Promise<void> {
    return this.#call('remove', instance, options, () => this.#client.remove(instance, options));
  }

  /** What isn't there has no schedule either, and is told apart. */
  #call<T>(
    name: string,
    instance: string,
    options: CallOptions | undefined,
    body: () => Promise<T>,
  ): Promise<T> {
    return this.#context.call(`images.schedules.${name}`, instance, options, async () => {
      await knownServer(this.#context, instance, options);
      return body();
    });
  }
}

/**
 * Tells whether the images are those of a cloud that makes images of its servers by a schedule, as the classic
 * Rackspace cloud does.
 *
 * @example
 * ```ts
 * import type { Imgkit } from '@imgkit/core';
 * import { hasImageSchedules } from '@imgkit/rackspace';
 *
 * async function keepAWeek(kit: Imgkit, instance: string) {
 *   const { images } = kit.providers.get('rackspace');
 *   if (hasImageSchedules(images)) await images.schedules.set(instance, { retention: 7 });
 * }
 * ```
 */
export function hasImageSchedules(
  images: Images,
): images is Images & { readonly schedules: ImageSchedules } {
  return Reflect.get(images, 'schedules') instanceof ClassicImageSchedules;
}
