import type { CallOptions } from '@imgkit/core';

import type { WireObject } from './api/wire.ts';
import type { ResourceType } from './resources/resource-id.ts';

/** What a read asks for beside the resource. */
export interface ReadOptions extends CallOptions {
  /** Gives the state of a version in each region, too. */
  readonly replication?: boolean | undefined;
  /** Lists only whether machines run, of the whole subscription. */
  readonly statusOnly?: boolean | undefined;
  /** Gives another part that only comes when it is asked for: `instanceView`, `restorePoints`, `userData`. */
  readonly expand?: string | undefined;
}

/** How something is made. */
export interface PutOptions extends CallOptions {
  /**
   * Makes it only where nothing stands, else throws `FAILED_PRECONDITION`. Of what is made here, Azure knows this of
   * machines only.
   */
  readonly onlyNew?: boolean | undefined;
}

/** What a region has on offer for a subscription: the SDK's name of the collection, and where in it. */
export interface RegionQuery {
  readonly subscription: string;
  readonly collection:
    | 'communityGalleries'
    | 'communityGalleryImageVersions'
    | 'communityGalleryImages'
    | 'sharedGalleries'
    | 'sharedGalleryImageVersions'
    | 'sharedGalleryImages'
    | 'usage'
    | 'virtualMachineImages';
  readonly location: string;
  /** The names on the way to it: gallery, definition; publisher, offer, SKU. */
  readonly names: readonly string[];
  /** Lists what is shared with the whole tenant, instead of with the subscription. */
  readonly sharedTo?: 'tenant' | undefined;
}

/** Where an operation of the cloud can be looked at; small, and plain data. */
export interface OperationAddress {
  /** How the address is to be read: which of ARM's headers gave it. */
  readonly mode: string;
  /** The whole address: it carries a signature, and works only as it is. */
  readonly url: string;
  /** The subscription it belongs to. */
  readonly subscription: string;
}

/** The end of an operation. */
export interface OperationEnd {
  /** What it gave, beside a resource: the output of a command, the address of a disk's bytes. */
  readonly output?: WireObject | undefined;
}

/** What an action came to: it is done, and this is what it gave, or it goes on. */
export interface StartedAction extends OperationEnd {
  /** Where it can be looked at; nothing when it is done already. */
  readonly operation?: OperationAddress | undefined;
}

/** A role that somebody has at a scope. */
export interface RoleAssignment {
  /** The id of the assignment itself. */
  readonly id: string;
  readonly scope: string;
  /** The GUID of the role, in lower case. */
  readonly role: string;
  /** The object id of who has it. */
  readonly principal: string;
  /** `User`, `Group`, `ServicePrincipal`, `ForeignGroup`. */
  readonly principalType: string;
}

/**
 * The calls of Azure Resource Manager that the provider makes. Every capability goes through it; the default one is
 * Azure's own SDK, loaded at first use. Whatever it throws is an ImgkitError without provider and operation.
 *
 * All calls are safe to repeat, and are repeated by imgkit's own policy after 429, 5xx and lost connections;
 * nothing is repeated by the SDK. Edits are PATCHes: there is no call that reads, changes and puts back.
 */
export interface AzureClient {
  /** Reads a resource. */
  get(id: string, options?: ReadOptions): Promise<WireObject>;

  /**
   * Lists resources page by page, as they are asked for.
   *
   * @param parent - What they are in: the id of a gallery or definition; otherwise the resource group, or without one
   *   the whole subscription.
   */
  pages(
    type: ResourceType,
    parent: {
      readonly subscription: string;
      readonly resourceGroup?: string | undefined;
      readonly names?: readonly string[] | undefined;
    },
    options?: Pick<ReadOptions, 'signal' | 'expand' | 'statusOnly'>,
  ): AsyncIterable<readonly WireObject[]>;

  /** Reads a resource as Azure writes it, with what the SDK doesn't know: its properties are in `properties`. */
  getWhole(id: string, options?: CallOptions): Promise<WireObject>;

  /** The versions of a definition that were deleted and can be had back, page by page. */
  deletedVersions(definition: string, options?: CallOptions): AsyncIterable<readonly WireObject[]>;

  /** Reads one of what a region has on offer. */
  lookUp(query: RegionQuery, options?: CallOptions): Promise<WireObject>;

  /** Lists what a region has on offer, page by page. */
  lookUpPages(query: RegionQuery, options?: CallOptions): AsyncIterable<readonly WireObject[]>;

  /**
   * Starts the making of a resource. Once it is on its way, aborting waits for the answer: only so can be said
   * whether it takes place. So it is with the three that follow.
   *
   * @returns where it can be looked at; nothing when it is done already.
   */
  put(id: string, body: WireObject, options?: PutOptions): Promise<OperationAddress | undefined>;

  /**
   * Starts a change of what is named, and of nothing else.
   *
   * @param options - `ifMatch`: the etag that it must have, where the resource has one.
   */
  patch(
    id: string,
    changes: WireObject,
    options?: CallOptions & { readonly ifMatch?: string | undefined },
  ): Promise<OperationAddress | undefined>;

  /** Starts a change, and sends exactly what is given: for lists of which Azure takes only the whole. */
  patchWhole(
    id: string,
    changes: WireObject,
    options?: CallOptions,
  ): Promise<OperationAddress | undefined>;

  /** Starts a deletion; deleting what is gone is done at once. */
  delete(id: string, options?: CallOptions): Promise<OperationAddress | undefined>;

  /** Reads what stands behind a resource in the address: `rollingUpgrades/latest`. */
  view(id: string, name: string, options?: CallOptions): Promise<readonly WireObject[]>;

  /**
   * Starts an action on a resource, by the name that stands behind its id in the address: `deallocate`, `share`. It must
   * be one that may be repeated.
   */
  act(id: string, action: string, body?: WireObject, options?: CallOptions): Promise<StartedAction>;

  /**
   * Looks once whether an operation is done.
   *
   * @returns its end; nothing while it goes on.
   * @throws ImgkitError with Azure's own code and message when it has failed.
   */
  poll(operation: OperationAddress, options?: CallOptions): Promise<OperationEnd | undefined>;

  /** The sizes that machines can have in a region, and what keeps the subscription from them. */
  sizes(
    subscription: string,
    location: string,
    options?: CallOptions,
  ): AsyncIterable<readonly WireObject[]>;

  /** The regions of a subscription, in name only or not. */
  locations(subscription: string, options?: CallOptions): Promise<readonly WireObject[]>;

  /** Reads a part of a network, which the SDK for machines has no group for: as it comes, with its properties apart. */
  getNetwork(id: string, options?: CallOptions): Promise<WireObject>;

  /** Makes a part of a network. */
  putNetwork(id: string, body: WireObject, options?: CallOptions): Promise<void>;

  /** Reads a text from an address that Azure gave, which carries its own permission. */
  download(address: string, options?: CallOptions): Promise<string>;

  /** Gives somebody a role. Giving it again changes nothing. */
  assign(assignment: RoleAssignment, options?: CallOptions): Promise<void>;

  /** The roles that somebody has at a scope, those above it included. */
  assignments(scope: string, options?: CallOptions): AsyncIterable<RoleAssignment>;

  /** Takes a role back. Taking back what isn't there succeeds. */
  unassign(assignment: RoleAssignment, options?: CallOptions): Promise<void>;
}
