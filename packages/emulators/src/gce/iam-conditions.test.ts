import { describe, expect, it } from 'vitest';

import { conditionHolds } from './iam-conditions.ts';

const facts = {
  now: Date.parse('2026-11-21T12:00:00Z'),
  resource: 'projects/p/global/images/web-1',
  resourceType: 'compute.googleapis.com/Image',
};

describe('a condition', () => {
  it.each([
    ['request.time < timestamp("2026-11-21T12:00:01Z")', true],
    ['request.time < timestamp("2026-11-21T12:00:00Z")', false],
    ['request.time <= timestamp("2026-11-21T12:00:00Z")', true],
    ["request.time > timestamp('2026-11-21T11:59:59Z')", true],
    ['request.time > timestamp("2026-11-21T12:00:00Z")', false],
    ['request.time >= timestamp("2026-11-21T12:00:00Z")', true],
    ['resource.name == "projects/p/global/images/web-1"', true],
    ['resource.name != "projects/p/global/images/web-1"', false],
    ['resource.name.startsWith("projects/p/global/images/web-")', true],
    ['resource.name.startsWith("projects/q/")', false],
    ['resource.name.endsWith("-1")', true],
    ['resource.type == "compute.googleapis.com/Image"', true],
    ['resource.type == "compute.googleapis.com/Disk"', false],
    ['resource.type.endsWith("Image") && resource.name.endsWith("-1")', true],
    ['resource.type.endsWith("Image") && resource.name.endsWith("-2")', false],
    // What isn't understood gives nothing.
    ['true', false],
    ['', false],
    ['resource.name.matches("web")', false],
    ['resource.name.endsWith("-1") || true', false],
    ['request.time < timestamp("soon")', false],
  ])('%s: %s', (expression, holds) => {
    expect(conditionHolds({ expression }, facts)).toBe(holds);
  });
});
