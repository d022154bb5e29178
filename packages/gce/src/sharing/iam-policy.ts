import { ImgkitError, type CallOptions } from '@imgkit/core';

import { object, objects, text, texts, type WireObject } from '../api/wire.ts';
import type { ApiService } from '../client.ts';
import { imageCall } from '../images/image-changes.ts';
import type { GceContext } from '../context.ts';

/** The role that lets its members see an image and use it, and nothing else. */
const imageUser = 'roles/compute.imageUser';

/** The version of policies in which bindings can have conditions; asked for, so that none is lost. */
const version = 3;
/** How often a change is tried again that somebody else was faster than. */
const mostRaces = 10;

/** Who has which role, as IAM writes it. */
export interface IamPolicy {
  readonly etag: string;
  readonly bindings: readonly WireObject[];
  readonly native: WireObject;
}

/** Something that has an IAM policy. */
export interface PolicyHolder {
  read(options?: CallOptions): Promise<WireObject>;
  /** Puts a policy in place of the one whose etag it has. */
  write(policy: WireObject, options?: CallOptions): Promise<WireObject>;
}

/** The policy of one image. */
export function policyOfImage(context: GceContext, id: string): PolicyHolder {
  const { service, request } = imageCall(id);
  return policyOf(context, service, { project: request.project, resource: request.image });
}

/** The policy of something that belongs to no zone. */
export function policyOf(
  context: GceContext,
  service: ApiService,
  where: { readonly project: string; readonly resource: string },
): PolicyHolder {
  return {
    read: (options) =>
      context.client.read(
        {
          service,
          method: 'getIamPolicy',
          request: { ...where, optionsRequestedPolicyVersion: version },
        },
        options,
      ),
    write: (policy, options) => {
      const globalSetPolicyRequestResource = { policy };
      const body = { ...where, globalSetPolicyRequestResource };
      // Its etag keeps a repetition from undoing what came in between.
      return context.client.write(
        { service, method: 'setIamPolicy', request: body, repeatable: true },
        options,
      );
    },
  };
}

/** Reads a policy. */
export async function readPolicy(holder: PolicyHolder, options?: CallOptions): Promise<IamPolicy> {
  const native = await holder.read(options);
  return { etag: text(native, 'etag') ?? '', bindings: objects(native, 'bindings'), native };
}

/**
 * Changes who has a role, that of users of images by default, without a condition; everything else of the policy
 * stays. It is read, changed and written with its etag, and all of that again if somebody else changed it in between.
 */
export async function changeMembers(
  holder: PolicyHolder,
  change: (members: readonly string[]) => readonly string[] | Promise<readonly string[]>,
  options?: CallOptions,
  role = imageUser,
): Promise<IamPolicy> {
  for (let race = 1; ; race += 1) {
    const policy = await readPolicy(holder, options);
    const before = membersWithout(policy, role);
    const members = await change(before);
    if (members.length === before.length && members.every((one) => before.includes(one)))
      return policy;
    const others = policy.bindings.filter((binding) => !isPlain(binding, role));
    const bindings = [...others, ...(members.length === 0 ? [] : [{ role, members }])];
    try {
      await holder.write({ ...policy.native, version, etag: policy.etag, bindings }, options);
      return { ...policy, bindings };
    } catch (error) {
      if (!isRace(error) || race >= mostRaces) throw error;
    }
  }
}

/** Who has a role, that of users of images by default, without a condition. */
export function membersWithout({ bindings }: IamPolicy, role = imageUser): readonly string[] {
  const plain = bindings.filter((binding) => isPlain(binding, role));
  return [...new Set(plain.flatMap((binding) => texts(binding, 'members')))];
}

/** Who may use images under a condition. */
export function membersUnderCondition({ bindings }: IamPolicy): readonly string[] {
  const conditional = bindings.filter(
    (one) => text(one, 'role') === imageUser && !isPlain(one, imageUser),
  );
  return [...new Set(conditional.flatMap((binding) => texts(binding, 'members')))];
}

function isPlain(binding: WireObject, role: string): boolean {
  const condition = object(binding, 'condition');
  return text(binding, 'role') === role && text(condition, 'expression') === undefined;
}

/** Google answers a policy that was changed in between with 409 or 412. */
function isRace(error: unknown): boolean {
  return ImgkitError.is(error, 'FAILED_PRECONDITION') || ImgkitError.is(error, 'ALREADY_EXISTS');
}
