import 'reflect-metadata';
import { definePlugin, tokens } from '@imgkit/core';
import { ContainerModule, decorate, inject, injectable } from 'inversify';
import { AtticImages } from './images.js';
import { AtticConnection, AtticOwned, AtticPublishing } from './parts.js';
import { Shelf } from './shelf.js';

decorate(injectable(), Shelf);
decorate(inject(tokens.providerName), Shelf, 0);
for (const part of [AtticImages, AtticOwned, AtticConnection, AtticPublishing]) {
  decorate(injectable(), part);
  decorate(inject(Shelf), part, 0);
}

/** Images on a shelf in memory. It takes no options. */
export const attic = definePlugin({
  specVersion: 'v1',
  kind: 'attic',
  options: {
    '~standard': {
      version: 1,
      vendor: 'example',
      validate: (value) =>
        typeof value === 'object' && value !== null && Object.keys(value).length === 0
          ? { value }
          : { issues: [{ message: 'the attic takes no options' }] },
    },
  },
  module: () =>
    // @ts-expect-error -- TypeScript tells the two copies of inversify apart; while running they are alike
    new ContainerModule(({ bind }) => {
      bind(Shelf).toSelf().inSingletonScope();
      bind(tokens.images).to(AtticImages).inSingletonScope();
      bind(tokens.owned).to(AtticOwned).inSingletonScope();
      bind(tokens.connection).to(AtticConnection).inSingletonScope();
      bind(tokens.publishing).to(AtticPublishing).inSingletonScope();
    }),
});

export { ContainerModule };
