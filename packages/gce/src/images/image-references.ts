import { object, objects, text, type WireObject } from '../api/wire.ts';

/** An image that a resource names: by its name, or as the newest of a family. */
export interface ImageReference {
  /** Nothing where the reference leaves the project of the resource out. */
  readonly project: string | undefined;
  readonly name: string;
  readonly isFamily: boolean;
  /** Whether machines boot from it; else one of their further disks is made of it. */
  readonly boot: boolean;
}

/** All images that disks of a template's machines are made of: Google takes another one for each disk. */
export function imagesOfTemplate(template: WireObject): readonly ImageReference[] {
  // A template of a machine holds, beside its properties, what was asked for in the place of some of its disks.
  const asked = objects(object(template, 'sourceInstanceParams'), 'diskConfigs');
  return [
    ...imagesOfDisks(objects(object(template, 'properties'), 'disks')),
    ...asked.flatMap((disk) => readReference(text(disk, 'customImage'), false)),
  ];
}

/** The images that a group itself names: its choices of machines may have disks of their own. */
export function imagesOfGroup(group: WireObject): readonly ImageReference[] {
  const choices = object(object(group, 'instanceFlexibilityPolicy'), 'instanceSelections') ?? {};
  return Object.keys(choices).flatMap((choice) =>
    imagesOfDisks(objects(object(choices, choice), 'disks')),
  );
}

/** Whether two projects may be the same one: Google also writes the number of a project where it has an id. */
export function maybeSameProject(one: string | undefined, other: string): boolean {
  return one === undefined || one === other || /^\d+$/.test(one) || /^\d+$/.test(other);
}

function imagesOfDisks(disks: readonly WireObject[]): readonly ImageReference[] {
  const bootIndex = Math.max(
    0,
    disks.findIndex((disk) => disk['boot'] === true),
  );
  return disks.flatMap((disk, index) =>
    readReference(text(object(disk, 'initializeParams'), 'sourceImage'), index === bootIndex),
  );
}

function readReference(url: string | undefined, boot: boolean): readonly ImageReference[] {
  const [, project, family, name] =
    /(?:projects\/([^/]+)\/)?global\/images\/(family\/)?([^/?#]+)$/.exec(url ?? '') ?? [];
  return name === undefined ? [] : [{ project, name, isFamily: family !== undefined, boot }];
}
