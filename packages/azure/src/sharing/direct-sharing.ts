import {
  ImgkitError,
  type CallOptions,
  type Grant,
  type Principal,
  type PrincipalKind,
} from '@imgkit/core';

import { invalid } from '../images/image-request.ts';
import type { ResourceId } from '../resources/resource-id.ts';
import {
  changeSharing,
  readProfile,
  requirePermissions,
  type GalleryProfile,
} from './gallery-profile.ts';
import { galleryOf } from './role-grants.ts';
import type { SharingWay } from './sharing-way.ts';
import { WholeGallery } from './whole-gallery.ts';

type Kind = 'project' | 'domain';

/** https://learn.microsoft.com/azure/virtual-machines/share-gallery-direct#limitations */
const most = { project: 30, domain: 5 } as const;
const types = { project: 'Subscriptions', domain: 'AADTenants' } as const;
const words = { project: 'subscription', domain: 'tenant' } as const;
const guid = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** Shares the whole gallery with subscriptions (`project`) and tenants (`domain`), who need no roles in it. */
export class DirectSharing extends WholeGallery implements SharingWay {
  readonly principals: readonly PrincipalKind[] = ['project', 'domain'];

  check(principals: readonly Principal[]): void {
    for (const kind of ['project', 'domain'] as const) idsOf(kind, principals);
    const other = principals.find(({ kind }) => kind !== 'project' && kind !== 'domain');
    if (other !== undefined)
      throw new ImgkitError('UNSUPPORTED', `a gallery isn't shared with a ${other.kind}`, {
        hint: 'It is shared with subscriptions and tenants: project(…), domain(…).',
      });
  }

  async grant(
    version: ResourceId,
    principals: readonly Principal[],
    options?: CallOptions,
  ): Promise<void> {
    const gallery = galleryOf(version);
    const profile = await readProfile(this.context, gallery, options);
    requirePermissions(this.context, profile, 'Groups');
    const groups = (['project', 'domain'] as const).flatMap((kind) => {
      const known = knownOf(profile, kind);
      const ids = idsOf(kind, principals).filter((id) => !known.includes(id));
      if (known.length + ids.length > most[kind])
        throw new ImgkitError(
          'QUOTA_EXCEEDED',
          `a gallery is shared with at most ${most[kind]} ${words[kind]}s, and this one is with ${known.length}`,
          { resource: profile.id, hint: 'Take back what is no longer needed, or share by roles.' },
        );
      return ids.length === 0 ? [] : [{ type: types[kind], ids }];
    });
    if (groups.length > 0)
      await changeSharing(this.context, gallery, { operationType: 'Add', groups }, options);
  }

  async *list(version: ResourceId, options?: CallOptions): AsyncGenerator<Grant> {
    const profile = await readProfile(this.context, galleryOf(version), options);
    const state = profile.settled ? 'ACTIVE' : 'PENDING';
    for (const kind of ['project', 'domain'] as const)
      for (const id of knownOf(profile, kind))
        yield { principal: { kind, id }, reach: this.unit, state };
  }

  async revoke(
    version: ResourceId,
    principals: readonly Principal[],
    options?: CallOptions,
  ): Promise<void> {
    const gallery = galleryOf(version);
    const profile = await readProfile(this.context, gallery, options);
    const groups = (['project', 'domain'] as const).flatMap((kind) => {
      const known = knownOf(profile, kind);
      const ids = idsOf(kind, principals).filter((id) => known.includes(id));
      return ids.length === 0 ? [] : [{ type: types[kind], ids }];
    });
    if (groups.length > 0)
      await changeSharing(this.context, gallery, { operationType: 'Remove', groups }, options);
  }
}

function knownOf(profile: GalleryProfile, kind: Kind): readonly string[] {
  return kind === 'project' ? profile.subscriptions : profile.tenants;
}

/** The ids of those of a kind, in lower case. */
function idsOf(kind: Kind, principals: readonly Principal[]): readonly string[] {
  const ids = principals.flatMap((one) => (one.kind === kind ? [one.id.toLowerCase()] : []));
  const wrong = ids.find((id) => !guid.test(id));
  if (wrong === undefined) return ids;
  throw invalid(
    `"${wrong}" isn't the id of a ${words[kind]}`,
    'Give its GUID: az account show --query "{subscription:id,tenant:tenantId}".',
  );
}
