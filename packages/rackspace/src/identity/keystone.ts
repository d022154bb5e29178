import type { CallOptions } from '@imgkit/core';

import { isRefusal } from '../errors.ts';
import type { ServiceClient } from '../http/service-client.ts';

/** What Keystone is asked beside signing in. https://docs.openstack.org/api-ref/identity/v3/ */
export class Keystone {
  readonly #service: ServiceClient;

  constructor(service: ServiceClient) {
    this.#service = service;
  }

  /**
   * Whether there is a project of an id. Nothing where the cloud doesn't tell this user: by default it tells
   * administrators alone, and answers others the same whether there is one or not.
   */
  async hasProject(id: string, options?: CallOptions): Promise<boolean | undefined> {
    const path = `/projects/${encodeURIComponent(id)}`;
    try {
      await this.#service.done({ method: 'GET', path, ...options });
      return true;
    } catch (error) {
      if (!isRefusal(error)) throw error;
      // Whoever knows no such address also says that nothing is there.
      return /could not find project/i.test(String(error)) ? false : undefined;
    }
  }
}
