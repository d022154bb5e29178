import { describe, expect, it } from 'vitest';

import { propertiesOf, withOverrides } from './overrides.ts';

const source = {
  machineType: 'e2-small',
  labels: { role: 'web' },
  tags: { items: ['http'] },
  metadata: { items: [{ key: 'a', value: '1' }] },
  disks: [{ boot: true }],
  networkInterfaces: [{ accessConfigs: [{ type: 'ONE_TO_ONE_NAT' }] }],
};

describe('an instance made of a template or a machine image', () => {
  it('has what the source holds, where the request says nothing', () => {
    expect(withOverrides({ name: 'vm', labels: {}, disks: [] }, source)).toEqual({
      name: 'vm',
      ...source,
    });
  });

  it('has whole fields of the request instead', () => {
    const request = {
      name: 'vm',
      machineType: 'e2-medium',
      labels: { env: 'test' },
      metadata: { items: [{ key: 'b', value: '2' }] },
      networkInterfaces: [{ network: 'global/networks/default' }],
    };
    expect(withOverrides(request, source)).toEqual({ ...source, ...request });
  });

  it('has no identity of the source', () => {
    const properties = propertiesOf({ ...source, id: '1', name: 'vm', status: 'RUNNING' });
    expect(properties).toEqual(source);
  });
});
