import type { ContainerModule } from 'inversify';
import { ImgkitError } from '../spec/errors.ts';
import { formatIssue, type StandardSchema } from './standard-schema.ts';

/** What every plugin's function takes beside its own options. */
export interface PluginInstanceOptions {
  /** What this instance is called in refs; the plugin's kind by default. Two of one kind need two names. */
  readonly name?: string | undefined;
  /** Modules loaded after the plugin's own, in which `rebind` replaces single pieces of it. */
  readonly overrides?: readonly ContainerModule[] | undefined;
}

/** One configured instance of a plugin, as {@link createImgkit} takes it. */
export interface Plugin {
  readonly specVersion: 'v1';
  /** The cloud: `gce`, `qemu`. */
  readonly kind: string;
  /** This instance of it: `prod`. */
  readonly name: string;
  /** Its bindings, then those that replace some of them. */
  readonly modules: readonly ContainerModule[];
}

/** What a plugin is made of. */
export interface PluginDefinition<Input extends object, Output> {
  /** The version of the contract it is written for. */
  readonly specVersion: 'v1';
  /** The cloud: `gce`, `qemu`. */
  readonly kind: string;
  /** Checks its options; an asynchronous schema isn't taken. */
  readonly options: StandardSchema<Input, Output>;
  /** Gives the bindings for checked options: at least `images`, `owned` and `connection` of {@link tokens}. */
  module(options: Output): ContainerModule;
}

/** Configures a plugin; its options may be left out when none is needed. */
export interface PluginFactory<Input extends object> {
  /** The cloud the plugin is for. */
  readonly kind: string;
  (
    ...options: Record<string, never> extends Input
      ? [options?: Input & PluginInstanceOptions]
      : [options: Input & PluginInstanceOptions]
  ): Plugin;
}

const brand = Symbol.for('@imgkit/PluginFactory');
const namePattern = /^[a-z][a-z0-9-]{0,62}$/;

/**
 * Defines a plugin. The function it gives checks its options at once, and does nothing else.
 *
 * @throws {@link ImgkitError} The function throws `INVALID_ARGUMENT` that names each wrong option.
 *
 * @example
 * ```ts
 * import { definePlugin, tokens, type Connection, type Images, type OwnedResources } from '@imgkit/core';
 * import { ContainerModule } from 'inversify';
 * import * as z from 'zod';
 *
 * declare function connectTo(project: string): {
 *   images: Images;
 *   owned: OwnedResources;
 *   connection: Connection;
 * };
 *
 * export const acme = definePlugin({
 *   specVersion: 'v1',
 *   kind: 'acme',
 *   options: z.strictObject({ project: z.string() }),
 *   module: ({ project }) =>
 *     new ContainerModule(({ bind }) => {
 *       const cloud = connectTo(project);
 *       bind(tokens.images).toConstantValue(cloud.images);
 *       bind(tokens.owned).toConstantValue(cloud.owned);
 *       bind(tokens.connection).toConstantValue(cloud.connection);
 *     }),
 * });
 *
 * const prod = acme({ name: 'prod', project: 'acme-images' });
 * console.log(prod.kind, prod.name);
 * ```
 */
export function definePlugin<Input extends object, Output>(
  definition: PluginDefinition<Input, Output>,
): PluginFactory<Input> {
  const { kind, specVersion } = definition;
  const configure = (...[given]: Parameters<PluginFactory<Input>>): Plugin => {
    const { name = kind, overrides = [], ...options }: PluginInstanceOptions = given ?? {};
    if (typeof name !== 'string' || !namePattern.test(name)) {
      throw new ImgkitError('INVALID_ARGUMENT', `"${name}" can't name a provider`, {
        operation: kind,
        hint: 'A name starts with a lower case letter, and goes on with lower case letters, digits and dashes.',
      });
    }
    const checked = check(definition, name, options);
    return { specVersion, kind, name, modules: [definition.module(checked), ...overrides] };
  };
  return Object.assign(configure, { kind, [brand]: true });
}

/** Tells whether a value was made by {@link definePlugin}, from whatever copy of the library. */
export function isPluginFactory(value: unknown): value is (options?: object) => Plugin {
  return typeof value === 'function' && Reflect.get(value, brand) === true;
}

function check<Input extends object, Output>(
  { kind, options: schema }: PluginDefinition<Input, Output>,
  name: string,
  options: object,
): Output {
  const result = schema['~standard'].validate(options);
  if (result instanceof Promise) {
    throw new ImgkitError('PLUGIN_INVALID', `the options of plugin "${kind}" are checked later`, {
      operation: kind,
      hint: 'Use a schema that checks at once: no asynchronous refinements or transforms.',
    });
  }
  if (result.issues === undefined) return result.value;
  const issues = result.issues.map(formatIssue);
  throw new ImgkitError(
    'INVALID_ARGUMENT',
    `${kind}(…) can't take these options: ${issues.join('; ')}`,
    { provider: name, operation: kind, data: { issues } },
  );
}
