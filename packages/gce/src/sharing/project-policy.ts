import { throwIfAborted, type CallOptions, type Retrier } from '@imgkit/core';

import type { Credentials } from '../api/credentials.ts';
import { isWireObject, type WireObject } from '../api/wire.ts';
import { apiError } from '../errors.ts';
import type { PolicyHolder } from './iam-policy.ts';

/** What a {@link ProjectPolicy} is made of. */
export interface ProjectPolicyParts {
  readonly credentials: Credentials;
  readonly project: string;
  /** Another server than Google's. */
  readonly endpoint: URL | undefined;
  readonly universeDomain: string | undefined;
  readonly retrier: Retrier;
}

/**
 * The policy of a whole project, which Google's Resource Manager keeps.
 * https://cloud.google.com/resource-manager/reference/rest/v1/projects/setIamPolicy
 */
export class ProjectPolicy implements PolicyHolder {
  readonly #parts: ProjectPolicyParts;

  constructor(parts: ProjectPolicyParts) {
    this.#parts = parts;
  }

  async read(options?: CallOptions): Promise<WireObject> {
    return this.#call('getIamPolicy', { options: { requestedPolicyVersion: 3 } }, options);
  }

  async write(policy: WireObject, options?: CallOptions): Promise<WireObject> {
    return this.#call('setIamPolicy', { policy }, options);
  }

  /** Both may be made again: what is written has the etag of what was read. */
  async #call(method: string, data: object, { signal }: CallOptions = {}): Promise<WireObject> {
    const { credentials, project, endpoint, universeDomain, retrier } = this.#parts;
    const server =
      endpoint?.origin ?? `https://cloudresourcemanager.${universeDomain ?? 'googleapis.com'}`;
    const url = `${server}/v1/projects/${project}:${method}`;
    return retrier.run(
      async () => {
        await credentials.refresh();
        const client = await (await credentials.auth()).getClient();
        try {
          const answer = await client.request<unknown>({
            url,
            method: 'POST',
            data,
            ...(signal === undefined ? {} : { signal }),
          });
          return isWireObject(answer.data) ? answer.data : {};
        } catch (error) {
          throwIfAborted(signal);
          throw apiError(error);
        }
      },
      { safe: true, signal },
    );
  }
}
