import type { EmulatorClock } from '../control-plane/clock.ts';
import { ArmError } from './errors.ts';

/** How many calls of a kind are allowed: in 3 minutes, and in 30. */
export interface AzureRate {
  readonly per3Minutes: number;
  readonly per30Minutes: number;
}

/** What recorded answers of Azure tell of its limits. */
const seen: Readonly<Record<string, AzureRate>> = {
  CreateUpdateGallery: { per3Minutes: 50, per30Minutes: 300 },
  CreateUpdateGalleryImage: { per3Minutes: 150, per30Minutes: 750 },
  CreateUpdateGalleryImageVersion: { per3Minutes: 375, per30Minutes: 1200 },
  DeleteGalleryImageVersion: { per3Minutes: 150, per30Minutes: 1000 },
  GetGalleryImageVersion: { per3Minutes: 2000, per30Minutes: 10_000 },
  ListGalleryImageVersionsInGalleryImage: { per3Minutes: 1500, per30Minutes: 10_000 },
  PostShareGallery: { per3Minutes: 10, per30Minutes: 60 },
  CreateImages: { per3Minutes: 40, per30Minutes: 199 },
  PutVM: { per3Minutes: 240, per30Minutes: 1200 },
  UpdateVM: { per3Minutes: 240, per30Minutes: 1200 },
  DeleteVM: { per3Minutes: 240, per30Minutes: 1200 },
  LowCostGet: { per3Minutes: 4000, per30Minutes: 32_000 },
  GetOperationStatus: { per3Minutes: 5000, per30Minutes: 15_000 },
};

const minute = 60_000;

/** How many calls of a kind a subscription has: at most so many, and so many more each hour. */
export interface AzureBudget {
  readonly reads: number;
  readonly writes: number;
  readonly deletes: number;
}

/** https://learn.microsoft.com/azure/azure-resource-manager/management/request-limits-and-throttling */
const documented: AzureBudget = { reads: 12_000, writes: 1_200, deletes: 15_000 };

/** Counts the calls of each subscription. */
export interface RateCounter {
  /**
   * Counts a call.
   *
   * @returns the headers that tell what is left.
   * @throws {@link ArmError} 429 when it is too many.
   */
  count(subscription: string, group: string | undefined): Readonly<Record<string, string>>;
  /** Counts a call of a subscription by its method, in the same way. */
  countAll(subscription: string, method: string): Readonly<Record<string, string>>;
}

/** Makes a counter with limits other than those of Azure for some kinds of calls. */
export function createRateCounter(
  clock: EmulatorClock,
  limits: Readonly<Record<string, AzureRate>> = {},
  budget: Partial<AzureBudget> = {},
): RateCounter {
  const calls = new Map<string, number[]>();
  const buckets = new Map<string, { left: number; at: number }>();
  return {
    countAll(subscription, method) {
      const kind = method === 'GET' ? 'reads' : method === 'DELETE' ? 'deletes' : 'writes';
      const most = budget[kind] ?? documented[kind];
      const key = `${subscription.toLowerCase()}/${kind}`;
      const now = clock.now();
      const { left, at } = buckets.get(key) ?? { left: most, at: now };
      const filled = Math.min(most, left + ((now - at) * documented[kind]) / (60 * minute));
      if (filled < 1)
        throw new ArmError(
          429,
          'SubscriptionRequestsThrottled',
          `Number of requests for subscription '${subscription}' and operation '${kind}' exceeded the backend storage limit. Please try again after '1' minutes.`,
          { headers: { 'retry-after': '60' } },
        );
      buckets.set(key, { left: filled - 1, at: now });
      return {
        [`x-ms-ratelimit-remaining-subscription-${kind}`]: String(Math.floor(filled - 1)),
      };
    },
    count(subscription, group) {
      const rate = group === undefined ? undefined : (limits[group] ?? seen[group]);
      if (group === undefined || rate === undefined) return {};
      const now = clock.now();
      const key = `${subscription.toLowerCase()}/${group}`;
      const recent = (calls.get(key) ?? []).filter((at) => at > now - 30 * minute);
      const short = recent.filter((at) => at > now - 3 * minute);
      const [left3, left30] = [rate.per3Minutes - short.length, rate.per30Minutes - recent.length];
      if (left3 <= 0) throw tooMany(group, '3Min', rate.per3Minutes, short, 3 * minute, now);
      if (left30 <= 0) throw tooMany(group, '30Min', rate.per30Minutes, recent, 30 * minute, now);
      calls.set(key, [...recent, now]);
      return {
        'x-ms-ratelimit-remaining-resource': `Microsoft.Compute/${group}3Min;${left3 - 1},Microsoft.Compute/${group}30Min;${left30 - 1}`,
      };
    },
  };
}

function tooMany(
  group: string,
  span: string,
  allowed: number,
  calls: readonly number[],
  windowMs: number,
  now: number,
): ArmError {
  const start = new Date(now - windowMs).toISOString();
  const retryAfter = Math.max(1, Math.ceil(((calls[0] ?? now) + windowMs - now) / 1000));
  const policy = {
    operationGroup: `${group}${span}`,
    startTime: start,
    endTime: new Date(now).toISOString(),
    allowedRequestCount: allowed,
    measuredRequestCount: calls.length + 1,
  };
  return new ArmError(
    429,
    'OperationNotAllowed',
    'The server rejected the request because too many requests have been received for this subscription.',
    {
      details: [{ code: 'TooManyRequests', target: group, message: JSON.stringify(policy) }],
      headers: { 'retry-after': String(retryAfter) },
    },
  );
}
