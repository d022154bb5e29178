import type { CallOptions, Grant, Principal, PrincipalKind, SharingUnit } from '@imgkit/core';

import type { ResourceId } from '../resources/resource-id.ts';

/** One of Azure's ways to let others use images. Which one is said by `azure({ shareBy })`. */
export interface SharingWay {
  readonly unit: SharingUnit;
  readonly principals: readonly PrincipalKind[];
  /** Whether consumers find the images where their owner has them. */
  readonly consumerLists: boolean;
  /** The id of what a grant for a version reaches. */
  scopeOf(version: ResourceId): string;
  /** @throws ImgkitError with `INVALID_ARGUMENT` or `UNSUPPORTED` for principals that can't be. */
  check(principals: readonly Principal[]): void;
  grant(
    version: ResourceId,
    principals: readonly Principal[],
    options?: CallOptions,
  ): Promise<void>;
  list(version: ResourceId, options?: CallOptions): AsyncIterable<Grant>;
  revoke(
    version: ResourceId,
    principals: readonly Principal[],
    options?: CallOptions,
  ): Promise<void>;
}
