import { randomUUID } from 'node:crypto';

import { z } from 'zod';

import type { Accounts } from './accounts.ts';
import {
  groupConfiguration,
  launchConfiguration,
  ScalingGroup,
  type GroupSurroundings,
} from './scaling-group.ts';
import type { Upstream } from './upstream.ts';
import { bodyOf, scaleRefusal, type Call, type Reply } from './wire.ts';

const newPolicies = z.array(
  z.strictObject({
    name: z.string(),
    type: z.literal('webhook'),
    cooldown: z.number(),
    change: z.int().optional(),
    changePercent: z.number().optional(),
    desiredCapacity: z.int().min(0).optional(),
  }),
);
const newGroup = z.strictObject({
  groupConfiguration,
  launchConfiguration,
  scalingPolicies: newPolicies.optional(),
});

type Policy = z.infer<typeof newPolicies>[number] & { readonly id: string };

const pageSize = 100;

/** Auto Scale v1.0. https://github.com/rackerlabs/otter/tree/master/api-docs */
export class AutoScale {
  readonly #groups = new Map<string, ScalingGroup>();
  readonly #policies = new Map<string, Policy[]>();
  /** Why no server can be made; tests say so. */
  readonly trouble: GroupSurroundings['trouble'] = { message: undefined };
  readonly #parts: GroupSurroundings;

  constructor(nova: Upstream, accounts: Accounts) {
    this.#parts = { nova, accounts, trouble: this.trouble };
  }

  /** How many servers a group has made so far. */
  made(group: string): number {
    return this.#groups.get(group)?.made ?? 0;
  }

  /** When no group has anything to do any more. */
  async settled(): Promise<void> {
    for (const group of this.#groups.values()) await group.settled();
  }

  readonly serve = async (call: Call): Promise<Reply> => {
    const { method, path, account } = call;
    const [, collection, id, part, name, verb] = path.split('/');
    if (collection !== 'groups') throw missing();
    if (id === undefined) return method === 'POST' ? this.#create(call) : this.#list(call);
    const group = this.#groups.get(id);
    if (group?.account !== account)
      throw scaleRefusal(404, 'NoSuchScalingGroupError', `No such scaling group ${id}`);
    switch (part) {
      case undefined:
        return method === 'DELETE' ? this.#delete(call, group) : this.#show(group);
      case 'state':
        return { status: 200, json: { group: state(group) } };
      case 'config':
        return this.#configuration(call, group);
      case 'launch':
        return this.#launch(call, group);
      case 'policies':
        return this.#policy(call, group, name, verb);
      case 'servers':
        return this.#server(call, group, name ?? '');
      default:
        throw missing();
    }
  };

  async #create(call: Call): Promise<Reply> {
    const asked = await bodyOf(call, newGroup, invalid);
    const made = {
      configuration: asked.groupConfiguration,
      launch: asked.launchConfiguration,
    };
    const { account } = call;
    const group = new ScalingGroup({ id: randomUUID(), account }, made, this.#parts);
    this.#groups.set(group.id, group);
    this.#policies.set(group.id, (asked.scalingPolicies ?? []).map(withId));
    group.converge();
    return { ...this.#show(group), status: 201 };
  }

  #list({ account, query }: Call): Reply {
    const all = [...this.#groups.values()].filter((group) => group.account === account);
    const after = all.findIndex(({ id }) => id === query.get('marker')) + 1;
    const limit = Math.min(Number(query.get('limit') ?? pageSize), pageSize);
    const page = all.slice(after, after + limit);
    const more = after + limit < all.length;
    const href = `https://dfw.autoscale.example.com/v1.0/groups?limit=${limit}&marker=${page.at(-1)?.id}`;
    return {
      status: 200,
      json: {
        groups: page.map((group) => ({ id: group.id, links: [], state: state(group) })),
        groups_links: more ? [{ rel: 'next', href }] : [],
      },
    };
  }

  #show(group: ScalingGroup): Reply {
    const { id, configuration, launch } = group;
    const scalingPolicies = this.#policies.get(id) ?? [];
    const shown = {
      id,
      links: [],
      groupConfiguration: configuration,
      launchConfiguration: launch,
      scalingPolicies,
      state: state(group),
    };
    return { status: 200, json: { group: shown } };
  }

  #delete({ query }: Call, group: ScalingGroup): Reply {
    const force = query.get('force') === 'true';
    if (!force && group.active.length + group.pending > 0)
      throw scaleRefusal(403, 'GroupNotEmptyError', `Group ${group.id} still has entities.`);
    group.configuration = { ...group.configuration, minEntities: 0, maxEntities: 0 };
    group.converge();
    this.#groups.delete(group.id);
    return { status: 204 };
  }

  async #configuration(call: Call, group: ScalingGroup): Promise<Reply> {
    if (call.method === 'GET')
      return { status: 200, json: { groupConfiguration: group.configuration } };
    const asked = await bodyOf(call, groupConfiguration, invalid);
    if (asked.minEntities > asked.maxEntities)
      throw invalid('minEntities must be less than or equal to maxEntities');
    group.configuration = asked;
    group.converge();
    return { status: 204 };
  }

  /** What is put replaces all that was there. */
  async #launch(call: Call, group: ScalingGroup): Promise<Reply> {
    if (call.method === 'GET') return { status: 200, json: { launchConfiguration: group.launch } };
    group.launch = await bodyOf(call, launchConfiguration, invalid);
    return { status: 204 };
  }

  async #policy(
    call: Call,
    group: ScalingGroup,
    id: string | undefined,
    verb: string | undefined,
  ): Promise<Reply> {
    const known = this.#policies.get(group.id) ?? [];
    if (id === undefined) {
      if (call.method === 'GET') return { status: 200, json: { policies: known } };
      const made = (await bodyOf(call, newPolicies, invalid)).map(withId);
      this.#policies.set(group.id, [...known, ...made]);
      return { status: 201, json: { policies: made } };
    }
    const policy = known.find((one) => one.id === id);
    if (policy === undefined) throw scaleRefusal(404, 'NoSuchPolicyError', `No such policy ${id}`);
    if (verb === 'execute' && call.method === 'POST') return execute(group, policy);
    if (call.method !== 'DELETE') return { status: 200, json: { policy } };
    this.#policies.set(
      group.id,
      known.filter((one) => one !== policy),
    );
    return { status: 204 };
  }

  #server({ method, query }: Call, group: ScalingGroup, id: string): Reply {
    if (!group.active.some((one) => one.id === id) || method !== 'DELETE')
      throw scaleRefusal(404, 'ServerNotFoundError', `Active server ${id} not found in group`);
    const replace = query.get('replace') !== 'false';
    const below = group.desired - 1 < group.configuration.minEntities;
    if (!replace && below)
      throw scaleRefusal(403, 'CannotDeleteServerBelowMinError', 'It would violate minEntities.');
    if (!replace) group.desired -= 1;
    group.remove(id, query.get('purge') !== 'false');
    group.converge();
    return { status: 202 };
  }
}

function execute(group: ScalingGroup, policy: Policy): Reply {
  const { change = 0, changePercent = 0, desiredCapacity } = policy;
  const { minEntities, maxEntities, cooldown } = group.configuration;
  const step = change === 0 ? Math.ceil((group.desired * changePercent) / 100) : change;
  const wished = desiredCapacity ?? group.desired + step;
  const allowed = Math.min(Math.max(wished, minEntities), maxEntities);
  const isTooSoon = Date.now() - group.scaledAt < Math.max(cooldown, policy.cooldown) * 1000;
  if (isTooSoon || allowed === group.desired || group.paused)
    throw scaleRefusal(403, 'CannotExecutePolicyError', 'Cannot execute policy: no change.');
  group.desired = allowed;
  group.scaledAt = Date.now();
  group.converge();
  return { status: 202, json: {} };
}

function state({ active, desired, pending, paused, configuration, errors }: ScalingGroup): object {
  return {
    paused,
    name: configuration.name,
    active,
    activeCapacity: active.length,
    pendingCapacity: pending,
    desiredCapacity: desired,
    status: errors.length > 0 ? 'ERROR' : 'ACTIVE',
    errors,
  };
}

function withId(policy: z.infer<typeof newPolicies>[number]): Policy {
  return { ...policy, id: randomUUID() };
}

function invalid(message: string) {
  return scaleRefusal(400, 'ValidationError', message);
}

function missing() {
  return scaleRefusal(404, 'NotFound', 'There is no such resource.');
}
