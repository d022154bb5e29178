import {
  ImgkitError,
  ProviderCalls,
  throwIfAborted,
  type CallOptions,
  type Clock,
  type Operation,
} from '@imgkit/core';

import type { Cinder } from '../cinder/cinder.ts';
import type { ImageExports } from '../classic/image-exports.ts';
import type { ImageImports } from '../classic/image-imports.ts';
import type { CloudClient } from '../client.ts';
import { located } from '../errors.ts';
import type { Glance } from '../glance/glance.ts';
import type { Keystone } from '../identity/keystone.ts';
import { Flavors } from '../instances/flavors.ts';
import type { Neutron } from '../neutron/neutron.ts';
import type { Nova } from '../nova/nova.ts';
import { Locks } from './locks.ts';

/** What a provider's capabilities share. */
export interface CloudContextOptions {
  /** The provider's name. */
  readonly provider: string;
  /** The id of the project it works in. */
  readonly project: string;
  readonly client: Omit<CloudClient, 'project'>;
  readonly clock: Clock;
  /** How images are made where the cloud takes their data by tasks only. */
  readonly imports?: ImageImports | undefined;
  /** How images come out of such a cloud. */
  readonly exports?: ImageExports | undefined;
}

/** Continues an operation from the rest of its token. */
export type Resume = (rest: string, options: CallOptions) => Operation<unknown>;

const firstPollMs = 100;
const lastPollMs = 5_000;

/** One provider's view of its cloud: every call of every capability goes through it. */
export class CloudContext extends ProviderCalls {
  readonly project: string;
  readonly keystone: Keystone;
  readonly glance: Glance;
  readonly nova: Nova;
  readonly neutron: Neutron;
  readonly cinder: Cinder;
  readonly flavors: Flavors;
  readonly clock: Clock;
  readonly imports: ImageImports | undefined;
  readonly exports: ImageExports | undefined;
  /** Keeps what this process does to one thing in order. */
  readonly locks = new Locks();
  readonly #client: CloudContextOptions['client'];
  readonly #resumes = new Map<string, Resume>();

  constructor({ provider, project, client, clock, imports, exports }: CloudContextOptions) {
    super(provider, located);
    this.project = project;
    this.#client = client;
    this.keystone = client.keystone;
    this.glance = client.glance;
    this.nova = client.nova;
    this.neutron = client.neutron;
    this.cinder = client.cinder;
    this.flavors = new Flavors(client.nova, () => clock.now());
    this.clock = clock;
    this.imports = imports;
    this.exports = exports;
  }

  /** Whether the cloud has a service of a type, in the region: `network`, `block-storage`. */
  offers(type: string, options?: CallOptions): Promise<boolean> {
    return this.#client.offers(type, options);
  }

  /** Asks until there is an answer, ever more seldom. */
  async poll<T>(
    ask: () => Promise<T | undefined>,
    signal: AbortSignal | undefined,
  ): Promise<NonNullable<T>> {
    for (let wait = firstPollMs; ; wait = Math.min(wait * 1.5, lastPollMs)) {
      const answer = await ask();
      if (answer !== undefined && answer !== null) return answer;
      await this.sleep(wait, signal);
    }
  }

  /** Waits; an aborted wait is CANCELLED. */
  async sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
    try {
      await this.clock.sleep(ms, signal);
    } catch (error) {
      throwIfAborted(signal);
      throw error;
    }
  }

  /** Says how operations whose tokens begin with `operation` are continued. */
  onResume(operation: string, resume: Resume): void {
    this.#resumes.set(operation, resume);
  }

  /** Continues an operation of this or another process. */
  resume(token: string, options: CallOptions = {}): Operation<unknown> {
    const [operation = '', ...rest] = token.split(' ');
    const resume = this.#resumes.get(operation);
    if (resume !== undefined && rest.length > 0) return resume(rest.join(' '), options);
    return this.operation<unknown>('resume', undefined, options, async () => {
      throw new ImgkitError(
        'INVALID_ARGUMENT',
        `"${token}" is not the token of an operation of provider ${this.provider}`,
      );
    });
  }
}
