import {
  ImgkitError,
  startOperation,
  throwIfAborted,
  withDetails,
  type CallOptions,
  type ImageRef,
  type Operation,
  type OperationControl,
} from '@imgkit/core';
import type { FreeSpace } from '@imgkit/core/local';

import { fileError, systemCode } from '../errors.ts';
import { LocalStore } from '../store/local-store.ts';

/** Which store a provider works in, and as whom. */
export interface LocalContextOptions {
  /** The directory of the store. */
  readonly root: string;
  /** The provider's name. */
  readonly provider: string;
  /** The provider's project: a namespace of the store. */
  readonly project: string;
  /** Replaces asking the file system. */
  readonly freeSpace?: FreeSpace | undefined;
}

/** The parts of ids that say of what kind something is. */
export type Collection =
  | 'images'
  | 'snapshots'
  | 'disks'
  | 'machine-images'
  | 'instances'
  | 'fleets';

/** Continues an operation from the rest of its token. */
export type Resume = (rest: string, options: CallOptions) => Operation<unknown>;

/** One provider's view of a store: every call of every capability goes through it. */
export class LocalContext {
  readonly provider: string;
  readonly project: string;
  readonly root: string;
  readonly freeSpace: FreeSpace | undefined;
  readonly #resumes = new Map<string, Resume>();
  #opening: Promise<LocalStore> | undefined;

  constructor({ root, provider, project, freeSpace }: LocalContextOptions) {
    this.provider = provider;
    this.project = project;
    this.root = root;
    this.freeSpace = freeSpace;
  }

  /** The store, opened at first use. */
  async store(): Promise<LocalStore> {
    this.#opening ??= this.#open();
    return this.#opening;
  }

  /** Closes the store. It is opened again when it is used again. */
  async close(): Promise<void> {
    const opening = this.#opening;
    this.#opening = undefined;
    (await opening?.catch(() => undefined))?.close();
  }

  ref(id: string): ImageRef {
    return { provider: this.provider, id };
  }

  /** The id of a resource of this project. */
  id(collection: Collection, name: string): string {
    return formatId(this.project, collection, name);
  }

  /** A call that is done at once. Whatever it throws is an imgkit error that says where it came from. */
  async call<T>(
    operation: string,
    resource: string | undefined,
    options: CallOptions | undefined,
    body: (store: LocalStore) => Promise<T> | T,
  ): Promise<T> {
    try {
      throwIfAborted(options?.signal);
      return await body(await this.store());
    } catch (error) {
      throw this.located(error, operation, resource);
    }
  }

  /** A call that takes long. */
  operation<T>(
    operation: string,
    resource: string | undefined,
    options: CallOptions | undefined,
    body: (store: LocalStore, control: OperationControl) => Promise<T>,
  ): Operation<T> {
    return startOperation(async (control) => {
      try {
        return await body(await this.store(), control);
      } catch (error) {
        const { signal } = control;
        if (signal.aborted && !ImgkitError.is(error)) throwIfAborted(signal);
        throw this.located(error, operation, resource);
      }
    }, options);
  }

  /** A listing. Each page is asked for when it is needed. */
  async *pages<R, T>(
    operation: string,
    options: (CallOptions & { readonly pageSize?: number | undefined }) | undefined,
    page: (store: LocalStore, after: R | undefined, size: number) => readonly R[],
    show: (store: LocalStore, row: R) => Promise<T | undefined> | T | undefined,
  ): AsyncGenerator<T, void, undefined> {
    const { pageSize = 100 } = options ?? {};
    let last: R | undefined;
    for (;;) {
      const rows = await this.call(operation, undefined, options, (store) => {
        if (!Number.isSafeInteger(pageSize) || pageSize < 1)
          throw new ImgkitError('INVALID_ARGUMENT', `a page can't have ${pageSize} entries`, {
            hint: 'Give a whole number, at least 1.',
          });
        return page(store, last, pageSize);
      });
      for (const row of rows) {
        const shown = await this.call(operation, undefined, options, (store) => show(store, row));
        if (shown !== undefined) yield shown;
      }
      if (rows.length < pageSize) return;
      last = rows.at(-1);
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
    return startOperation<unknown>(async () => {
      const message = `"${token}" is not the token of an operation of provider ${this.provider}`;
      const details = { provider: this.provider, operation: 'resume' };
      throw new ImgkitError('INVALID_ARGUMENT', message, details);
    }, options);
  }

  /** The error with provider, operation and resource, where they are not known yet. */
  located(error: unknown, operation: string, resource: string | undefined): ImgkitError {
    const known = ImgkitError.is(error)
      ? error
      : systemCode(error) === undefined
        ? new ImgkitError(
            'OPERATION_FAILED',
            error instanceof Error ? error.message : String(error),
            { cause: error },
          )
        : fileError(error, this.root);
    if (known.provider !== undefined) return known;
    return withDetails(known, {
      provider: this.provider,
      operation,
      resource: resource ?? known.resource,
    });
  }

  async #open(): Promise<LocalStore> {
    const { root } = this;
    try {
      return await LocalStore.open(root, { freeSpace: this.freeSpace });
    } catch (error) {
      this.#opening = undefined;
      throw error;
    }
  }
}

/** The id of a resource: `projects/default/images/web-1`. */
export function formatId(project: string, collection: Collection, name: string): string {
  return `projects/${project}/${collection}/${name}`;
}

/** The project and the name in an id of the collection; `undefined` for other ids. */
export function parseId(
  id: string,
  collection: Collection,
): { readonly project: string; readonly name: string } | undefined {
  const [projects, project, found, name, ...more] = id.split('/');
  if (projects !== 'projects' || found !== collection || more.length > 0) return undefined;
  return project && name ? { project, name } : undefined;
}

/** The error for what isn't there, or must look so. */
export function notFound(what: string, id: string): ImgkitError {
  return new ImgkitError('NOT_FOUND', `there is no ${what} "${id}"`, {
    resource: id,
    hint: 'See what there is by listing.',
  });
}
