import type { AzureContext } from '../context.ts';
import { formatId, type ResourceId } from '../resources/resource-id.ts';
import { galleryOf } from './role-grants.ts';

/** What the ways have in common that share all of a gallery, with people who don't find it where its owner has it. */
export class WholeGallery {
  readonly unit = 'gallery';
  readonly consumerLists = false;
  protected readonly context: AzureContext;

  constructor(context: AzureContext) {
    this.context = context;
  }

  scopeOf(version: ResourceId): string {
    return formatId(galleryOf(version));
  }
}
