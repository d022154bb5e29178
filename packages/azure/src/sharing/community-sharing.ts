import {
  ImgkitError,
  type CallOptions,
  type Grant,
  type Principal,
  type PrincipalKind,
} from '@imgkit/core';

import type { ResourceId } from '../resources/resource-id.ts';
import { changeSharing, readProfile, requirePermissions } from './gallery-profile.ts';
import { galleryOf } from './role-grants.ts';
import type { SharingWay } from './sharing-way.ts';
import { WholeGallery } from './whole-gallery.ts';

/** Shares the whole gallery with everybody who uses Azure, under a public name. */
export class CommunitySharing extends WholeGallery implements SharingWay {
  readonly principals: readonly PrincipalKind[] = ['everyone'];

  check(principals: readonly Principal[]): void {
    const other = principals.find(({ kind }) => kind !== 'everyone');
    if (other !== undefined)
      throw new ImgkitError(
        'UNSUPPORTED',
        `a community gallery isn't shared with a ${other.kind}`,
        {
          hint: 'It is open to everybody or to nobody: everyone().',
        },
      );
  }

  async grant(version: ResourceId, _: readonly Principal[], options?: CallOptions): Promise<void> {
    const gallery = galleryOf(version);
    const profile = await readProfile(this.context, gallery, options);
    requirePermissions(this.context, profile, 'Community');
    if (!profile.open)
      await changeSharing(this.context, gallery, { operationType: 'EnableCommunity' }, options);
  }

  async *list(version: ResourceId, options?: CallOptions): AsyncGenerator<Grant> {
    const profile = await readProfile(this.context, galleryOf(version), options);
    if (!profile.open) return;
    const state = profile.settled ? 'ACTIVE' : 'PENDING';
    yield { principal: { kind: 'everyone' }, reach: this.unit, state };
  }

  async revoke(version: ResourceId, _: readonly Principal[], options?: CallOptions): Promise<void> {
    const gallery = galleryOf(version);
    const { open } = await readProfile(this.context, gallery, options);
    if (open) await changeSharing(this.context, gallery, { operationType: 'Reset' }, options);
  }
}
