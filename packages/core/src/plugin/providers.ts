import { nearest } from '../near-names.ts';
import { ImgkitError } from '../spec/errors.ts';
import {
  supports,
  type Capabilities,
  type CapabilityName,
  type Provider,
} from '../spec/provider.ts';

/** The providers of a kit, by name, in the order in which they were given. */
export interface Providers extends Iterable<Provider> {
  /** Their names. */
  names(): readonly string[];

  /** @throws {@link ImgkitError} with `PROVIDER_NOT_FOUND`, naming those that are there. */
  get(name: string): Provider;

  /**
   * Gives a provider that surely has a capability.
   *
   * @throws {@link ImgkitError} with `PROVIDER_NOT_FOUND`, or `UNSUPPORTED` if it lacks the capability.
   */
  require<C extends CapabilityName>(name: string, capability: C): Provider & Pick<Capabilities, C>;
}

/** Makes the registry of a kit. The map may still be filled afterwards. */
export function createProviders(byName: ReadonlyMap<string, Provider>): Providers {
  const get = (name: string): Provider => {
    const provider = byName.get(name);
    if (provider !== undefined) return provider;
    const names = [...byName.keys()];
    const near = nearest(name, names);
    throw new ImgkitError('PROVIDER_NOT_FOUND', `there is no provider "${name}"`, {
      provider: name,
      hint:
        near === undefined
          ? `Providers are given to createImgkit; these are: ${names.join(', ') || 'none'}.`
          : `Did you mean "${near}"?`,
    });
  };
  return {
    names: () => [...byName.keys()],
    get,
    require(name, capability) {
      const provider = get(name);
      if (supports(provider, capability)) return provider;
      throw new ImgkitError('UNSUPPORTED', `provider "${name}" has no ${capability}`, {
        provider: name,
        operation: capability,
        hint: `Ask supports(provider, '${capability}') first, or use another provider.`,
      });
    },
    [Symbol.iterator]: () => byName.values(),
  };
}
