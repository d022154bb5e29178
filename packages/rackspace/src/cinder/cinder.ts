import { ImgkitError, type CallOptions } from '@imgkit/core';
import { z } from 'zod';

import type { ServiceClient, ServiceRequest } from '../http/service-client.ts';
import type { Version } from '../http/version-document.ts';
import {
  cinderSnapshot,
  cinderVolume,
  snapshotPage,
  volumePage,
  type CinderSnapshot,
  type CinderVolume,
  type NewSnapshot,
  type NewVolume,
  type VolumeImage,
} from './cinder-volume.ts';

/** An image of a volume is said to be nobody else's from the beginning. */
const saysVisibility: Version = [3, 1];
/** The service tells users why something failed. */
const tellsReasons: Version = [3, 3];

/** The calls of Cinder that are used. https://docs.openstack.org/api-ref/block-storage/v3/ */
export class Cinder {
  readonly #service: ServiceClient;

  constructor(service: ServiceClient) {
    this.#service = service;
  }

  async volume(id: string, options?: CallOptions): Promise<CinderVolume> {
    const schema = z.object({ volume: cinderVolume });
    const path = pathOf('volumes', id);
    return (await this.#service.json({ method: 'GET', path, ...options }, schema)).volume;
  }

  /** Lists volumes of the project, newest first, page by page. */
  async *volumes(
    filter: Readonly<Record<string, string>>,
    options?: CallOptions,
  ): AsyncGenerator<CinderVolume, void, undefined> {
    const query = new URLSearchParams(filter);
    for (;;) {
      const page = await this.#service.json(
        { method: 'GET', path: '/volumes/detail', query, ...options },
        volumePage,
      );
      yield* page.volumes;
      const last = page.volumes.at(-1);
      if (!hasMore(page.volumes_links) || last === undefined) return;
      query.set('marker', last.id);
    }
  }

  /** Starts the making of a volume. Made once: what was lost has to be looked for. */
  async createVolume(volume: NewVolume, options?: CallOptions): Promise<CinderVolume> {
    const request = { method: 'POST', path: '/volumes', json: { volume }, ...options } as const;
    const schema = z.object({ volume: cinderVolume });
    return (await this.#service.json(request, schema)).volume;
  }

  /** Sets entries of a volume's metadata; the others stay. */
  async setVolumeMetadata(
    id: string,
    metadata: Readonly<Record<string, string>>,
    options?: CallOptions,
  ): Promise<void> {
    const path = `${pathOf('volumes', id)}/metadata`;
    await this.#service.done({ method: 'POST', path, json: { metadata }, safe: true, ...options });
  }

  /** Says what images of a volume are to be like: their custom properties. What isn't named stays. */
  async setImageProperties(
    id: string,
    metadata: Readonly<Record<string, string>>,
    options?: CallOptions,
  ): Promise<void> {
    const json = { 'os-set_image_metadata': { metadata } };
    await this.#service.done({ ...actionOf(id, json), safe: true, ...options });
  }

  /** Takes a property away that images of a volume would have. */
  async removeImageProperty(id: string, key: string, options?: CallOptions): Promise<void> {
    await this.#service.done({
      ...actionOf(id, { 'os-unset_image_metadata': { key } }),
      ...options,
    });
  }

  /** Starts to make an image of a volume, and gives its id. Made once: what was lost has to be looked for. */
  async makeImage(
    id: string,
    { name, diskFormat }: VolumeImage,
    options?: CallOptions,
  ): Promise<string> {
    const says = await this.#service.understands(saysVisibility, options);
    const wish = {
      image_name: name,
      disk_format: diskFormat,
      container_format: 'bare',
      ...(says && { visibility: 'private' }),
    };
    const headers = says ? { 'openstack-api-version': `volume ${saysVisibility.join('.')}` } : {};
    const made = z.object({ image_id: z.string() });
    const answer = await this.#service.json(
      { ...actionOf(id, { 'os-volume_upload_image': wish }), headers, ...options },
      z.object({ 'os-volume_upload_image': made }),
    );
    return answer['os-volume_upload_image'].image_id;
  }

  async deleteVolume(id: string, options?: CallOptions): Promise<void> {
    await this.#service.done({ method: 'DELETE', path: pathOf('volumes', id), ...options });
  }

  async snapshot(id: string, options?: CallOptions): Promise<CinderSnapshot> {
    const schema = z.object({ snapshot: cinderSnapshot });
    const path = pathOf('snapshots', id);
    return (await this.#service.json({ method: 'GET', path, ...options }, schema)).snapshot;
  }

  /** Lists snapshots of the project, newest first, page by page. */
  async *snapshots(
    filter: Readonly<Record<string, string>>,
    options?: CallOptions,
  ): AsyncGenerator<CinderSnapshot, void, undefined> {
    const query = new URLSearchParams(filter);
    for (;;) {
      const page = await this.#service.json(
        { method: 'GET', path: '/snapshots/detail', query, ...options },
        snapshotPage,
      );
      yield* page.snapshots;
      const last = page.snapshots.at(-1);
      if (!hasMore(page.snapshots_links) || last === undefined) return;
      query.set('marker', last.id);
    }
  }

  /** Starts the making of a snapshot, of a volume in use too. Made once: what was lost has to be looked for. */
  async createSnapshot(wanted: NewSnapshot, options?: CallOptions): Promise<CinderSnapshot> {
    // From 3.66 on that is how it always is, and saying so is still allowed.
    const json = { snapshot: { ...wanted, force: true } };
    const schema = z.object({ snapshot: cinderSnapshot });
    const request = { method: 'POST', path: '/snapshots', json, ...options } as const;
    return (await this.#service.json(request, schema)).snapshot;
  }

  async deleteSnapshot(id: string, options?: CallOptions): Promise<void> {
    await this.#service.done({ method: 'DELETE', path: pathOf('snapshots', id), ...options });
  }

  /** Why something failed, in the cloud's words. */
  async reason(id: string, options?: CallOptions): Promise<string | undefined> {
    if (!(await this.#service.understands(tellsReasons, options))) return undefined;
    const headers = { 'openstack-api-version': `volume ${tellsReasons.join('.')}` };
    const schema = z.object({
      messages: z.array(z.looseObject({ resource_uuid: z.string(), user_message: z.string() })),
    });
    try {
      const answer = await this.#service.json(
        { method: 'GET', path: '/messages', headers, ...options },
        schema,
      );
      return answer.messages.find((message) => message.resource_uuid === id)?.user_message;
    } catch (error) {
      // Nobody fails because the reason of a failure isn't told.
      if (ImgkitError.is(error, 'CANCELLED')) throw error;
      return undefined;
    }
  }

  /** What is used, and what is allowed. */
  async limits(options?: CallOptions): Promise<Readonly<Record<string, number>>> {
    const schema = z.object({
      limits: z.object({ absolute: z.record(z.string(), z.number()) }),
    });
    const answer = await this.#service.json({ method: 'GET', path: '/limits', ...options }, schema);
    return answer.limits.absolute;
  }
}

function pathOf(collection: 'volumes' | 'snapshots', id: string): string {
  return `/${collection}/${encodeURIComponent(id)}`;
}

function actionOf(id: string, json: unknown): ServiceRequest {
  return { method: 'POST', path: `${pathOf('volumes', id)}/action`, json };
}

function hasMore(links: readonly { readonly rel: string }[] = []): boolean {
  return links.some(({ rel }) => rel === 'next');
}
