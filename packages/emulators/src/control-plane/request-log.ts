import type { Json } from './json.ts';

/** A request that an emulator got, and how it was answered. */
export interface LoggedRequest {
  /** The HTTP method. */
  readonly method: string;
  /** The path, without the query. */
  readonly path: string;
  /** The query's parameters. */
  readonly query: Readonly<Record<string, string>>;
  /** The body, when it is JSON. */
  readonly body: Json | undefined;
  /** The method of the API: `Images.Insert`; undefined when the API has none for this path. */
  readonly rpc: string | undefined;
  /** The HTTP status of the answer; undefined as long as there is none, or when the connection was dropped. */
  readonly status: number | undefined;
  /** Who asked: an IAM member; undefined without credentials. */
  readonly member: string | undefined;
  /** When it came, in ms since 1970 on the emulator's clock. */
  readonly at: number;
}

/** A request that the API's own description doesn't allow. */
export interface Violation {
  /** The request. */
  readonly request: LoggedRequest;
  /** What is wrong with it, and where. */
  readonly message: string;
}

/** A log entry while its request is served. */
export type OpenRequest = { -readonly [K in keyof LoggedRequest]: LoggedRequest[K] };
