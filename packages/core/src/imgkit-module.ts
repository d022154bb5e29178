import type { ContainerModule } from 'inversify';
import { createImgkit, type Imgkit, type ImgkitOptions } from './imgkit.ts';
import { tokens } from './plugin/tokens.ts';

/**
 * Gives a module that binds a kit, as `tokens.imgkit`, in an application's own inversify container. The kit is made
 * when it is first asked for, with `getAsync`, and disposed of when it is unbound.
 *
 * @example
 * ```ts
 * import { imgkitModule, tokens } from '@imgkit/core';
 * import { qemu } from '@imgkit/qemu';
 * import { Container } from 'inversify';
 *
 * const container = new Container();
 * container.load(await imgkitModule({ providers: [qemu()] }));
 * const kit = await container.getAsync(tokens.imgkit);
 * console.log(kit.providers.names());
 * await container.unbindAllAsync();
 * ```
 */
export async function imgkitModule(options: ImgkitOptions): Promise<ContainerModule> {
  const { ContainerModule: NewModule } = await import('inversify');
  return new NewModule(({ bind, onDeactivation }) => {
    bind(tokens.imgkit)
      .toDynamicValue((): Promise<Imgkit> => createImgkit(options))
      .inSingletonScope();
    onDeactivation(tokens.imgkit, (kit) => kit[Symbol.asyncDispose]());
  });
}
