import { ImgkitError, type CallOptions } from '@imgkit/core';
import { z } from 'zod';

import { statusOf } from '../errors.ts';
import type { ServiceClient } from '../http/service-client.ts';

const task = z.looseObject({
  id: z.string(),
  status: z.string(),
  type: z.string(),
  /** The text `None` when there is nothing to say. */
  message: z.string().nullish(),
  input: z.looseObject({ import_from: z.string().optional() }).nullish(),
  result: z
    .looseObject({ image_id: z.string().optional(), export_location: z.string().optional() })
    .nullish(),
});

/** A task as the cloud gives it. */
export type ImageTask = z.infer<typeof task>;

const tasks = z.object({
  tasks: z.array(z.looseObject({ id: z.string(), type: z.string() })),
  next: z.string().optional(),
});

/**
 * The tasks of Cloud Images: how disks come into the classic Rackspace cloud, and out of it.
 * https://docs.rackspace.com/docs/cloud-images
 */
export class ImageTasks {
  readonly #service: ServiceClient;

  constructor(service: ServiceClient) {
    this.#service = service;
  }

  /**
   * Begins to make an image of a VHD in Cloud Files. Its name is the only property that can be said.
   *
   * @param from - `container/object`.
   */
  import(from: string, name: string, options?: CallOptions): Promise<ImageTask> {
    return this.#begin(
      { type: 'import', input: { import_from: from, image_properties: { name } } },
      options,
    );
  }

  /** Begins to write an image into a container, as `<id>.vhd`. */
  export(image: string, container: string, options?: CallOptions): Promise<ImageTask> {
    return this.#begin(
      { type: 'export', input: { image_uuid: image, receiving_swift_container: container } },
      options,
    );
  }

  /** A task; `undefined` when there is none, as two days after its end. */
  async find(id: string, options?: CallOptions): Promise<ImageTask | undefined> {
    try {
      const path = `/tasks/${encodeURIComponent(id)}`;
      return await this.#service.json({ method: 'GET', path, ...options }, task);
    } catch (error) {
      if (statusOf(error) === 404) return undefined;
      throw error;
    }
  }

  /** The import of an object, whoever began it: what a task is made of is only shown task by task. */
  async importOf(from: string, options?: CallOptions): Promise<ImageTask | undefined> {
    const query = new URLSearchParams({ type: 'import' });
    for (;;) {
      const request = { method: 'GET', path: '/tasks', query, ...options } as const;
      const page = await this.#service.json(request, tasks);
      for (const { id, type } of page.tasks) {
        const found = type === 'import' ? await this.find(id, options) : undefined;
        if (found?.input?.import_from === from) return found;
      }
      const last = page.tasks.at(-1);
      if (page.next === undefined || last === undefined) return undefined;
      query.set('marker', last.id);
    }
  }

  #begin(json: object, options: CallOptions | undefined): Promise<ImageTask> {
    return this.#service.json({ method: 'POST', path: '/tasks', json, ...options }, task);
  }
}

/** Whether a task goes on. */
export function isRunning({ status }: ImageTask): boolean {
  return status === 'pending' || status === 'processing';
}

/** What the numbers mean that failed tasks tell. */
const failures: Readonly<Record<string, readonly [why: string, hint: string]>> = {
  111: ['the VHD is invalid', 'Convert it anew: qemu-img convert -O vpc.'],
  396: ['the file is no VHD', 'Convert it: qemu-img convert -O vpc.'],
  413: ['the disk is larger than 40 GB', 'Make the disk smaller.'],
  523: ['the VHD is neither fixed nor dynamic', 'Convert it: qemu-img convert -O vpc.'],
  609: ['the file is larger than 40 GB', 'Use a dynamic VHD, or make the disk smaller.'],
  614: ['the VHD has no identity', 'Convert it anew: qemu-img convert -O vpc.'],
  721: ['the VHD has a parent disk', 'Merge it with its parent first.'],
};

/** The error for a task that failed. */
export function taskFailure({ message, type, id }: ImageTask, about: string): ImgkitError {
  const number = /(?<!\d)\d{3}(?!\d)/.exec(message ?? '')?.[0] ?? '';
  const known = failures[number];
  const said = message && message !== 'None' ? message : 'it doesn’t say why';
  return new ImgkitError(
    'OPERATION_FAILED',
    `the ${type} of ${about} failed: ${known === undefined ? said : known[0]}`,
    {
      resource: about,
      providerCode: known === undefined ? undefined : number,
      hint: known?.[1] ?? 'See the task in the cloud’s own tools.',
      data: { task: id, message: said },
    },
  );
}
