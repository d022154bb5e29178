import { expect, it } from 'vitest';

import { imagesOfGroup, imagesOfTemplate, maybeSameProject } from './image-references.ts';

const url = 'https://www.googleapis.com/compute/v1/projects/acme/global/images';
const diskOf = (sourceImage: string) => ({ initializeParams: { sourceImage } });

it('are those of all disks of a template, and of what was asked for in their place', () => {
  const disks = [
    diskOf(`${url}/data-1`),
    { boot: true, ...diskOf(`${url}/family/web`) },
    { source: 'a-disk' },
    diskOf('global/images/tools'),
  ];
  const diskConfigs = [{ customImage: `${url}/asked` }, { instantiateFrom: 'BLANK' }];
  const template = { properties: { disks }, sourceInstanceParams: { diskConfigs } };
  expect(imagesOfTemplate(template)).toEqual([
    { project: 'acme', name: 'data-1', isFamily: false, boot: false },
    { project: 'acme', name: 'web', isFamily: true, boot: true },
    { project: undefined, name: 'tools', isFamily: false, boot: false },
    { project: 'acme', name: 'asked', isFamily: false, boot: false },
  ]);
});

it('are those of the disks that a group has for its choices of machines', () => {
  const instanceSelections = {
    small: { disks: [{ boot: true, ...diskOf(`${url}/arm`) }] },
    large: { disks: [diskOf(`${url}/x86`), diskOf(`${url}/data`)] },
    same: { machineTypes: ['e2-small'] },
  };
  const group = { instanceFlexibilityPolicy: { instanceSelections } };
  expect(imagesOfGroup(group).map(({ name, boot }) => [name, boot])).toEqual([
    ['arm', true],
    ['x86', true],
    ['data', false],
  ]);
  expect(imagesOfGroup({})).toEqual([]);
});

it('are of a project that may be written as a number', () => {
  expect(maybeSameProject('acme', 'acme')).toBe(true);
  expect(maybeSameProject('123456', 'acme')).toBe(true);
  expect(maybeSameProject(undefined, 'acme')).toBe(true);
  expect(maybeSameProject('other', 'acme')).toBe(false);
});
