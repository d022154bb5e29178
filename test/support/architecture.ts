import { capabilityNames } from '@imgkit/core';
import type { SourceFile } from './repository.ts';

/** Which of our packages each may import; `examples` may import all, and an adapter only the core. */
const allowed: Readonly<Record<string, readonly string[]>> = {
  core: [],
  bake: ['core'],
  fleet: ['core'],
  cli: ['core', 'bake', 'fleet'],
  emulators: ['core'],
};
const adapterMayImport = ['core'];

/** Where one of our modules imports another package of ours against the direction of the dependencies. */
export function wrongImports(files: readonly SourceFile[]): string[] {
  return files.flatMap((file) => {
    const importer = /^packages\/([^/]+)\//.exec(file.path)?.[1];
    if (importer === undefined) return [];
    const mayImport = new Set([...(allowed[importer] ?? adapterMayImport), importer]);
    // An adapter's tests run against the control plane of its cloud.
    if (allowed[importer] === undefined && isTest(file.path)) mayImport.add('emulators');
    return [...importedPackages(file.text)]
      .filter((imported) => !mayImport.has(imported))
      .map((imported) => `${file.path} imports @imgkit/${imported}`);
  });
}

const isTest = (path: string) => path.endsWith('.test.ts') || /^packages\/[^/]+\/test\//.test(path);

/** The packages of ours that code names, in whatever form of import; those in comments are left out. */
function importedPackages(text: string): Set<string> {
  const code = text.replaceAll(/\/\*[\s\S]*?\*\//g, '').replaceAll(/^\s*\/\/.*$/gm, '');
  const imports = code.matchAll(/(?:\bfrom|\bimport|\brequire)\s*\(?\s*['"]@imgkit\/([^/'"]+)/g);
  return new Set(Array.from(imports, ([, name = '']) => name));
}

/** What the names and the text of our sources break of the rules that no linter of ours knows. */
export function wrongSources(files: readonly SourceFile[]): string[] {
  return files.flatMap(({ path, text }) => {
    const problems: string[] = [];
    const name = path.split('/').at(-1) ?? '';
    if (/\b(utils?|helpers?|managers?|misc)\b|\/bases?\.ts$/.test(path))
      problems.push('says nothing');
    if (!/^[a-z0-9]+(-[a-z0-9]+)*(\.[a-z]+)*\.ts$/.test(name)) problems.push('is not kebab-case');
    const lines = text.split('\n').length - 1;
    if (!path.endsWith('.test.ts') && lines > 400) problems.push(`has ${lines} lines, over 400`);
    if (/^export default\b/m.test(text)) problems.push('has a default export');
    if (/^\s*(?:export |declare |const )*enum \w+/m.test(text)) problems.push('has an enum');
    if (/^\s*export (?:declare )?interface I[A-Z][a-z]/m.test(text)) {
      problems.push('has an interface with an I before its name');
    }
    return problems.map((problem) => `${path} ${problem}`);
  });
}

/** Where a text names something of the machine it was written on. */
export function foreignNames(files: readonly SourceFile[], names: readonly string[]): string[] {
  return files.flatMap(({ path, text }) =>
    names.filter((name) => text.includes(name)).map((name) => `${path} names ${name}`),
  );
}

/** The adapters among the packages that these files belong to. */
export function adapters(files: readonly SourceFile[]): string[] {
  const names = files.map(({ path }) => /^packages\/([^/]+)\/package\.json$/.exec(path)?.[1]);
  return names.filter((name) => name !== undefined).filter((name) => allowed[name] === undefined);
}

/** What every adapter has; a capability's file comes on top for each that it binds. */
const adapterFiles = ['index', 'plugin', 'options', 'mapping', 'errors', 'images'];

/** The mapping of a large cloud has a file for each kind of resource. */
const mayBeFolder = (file: string, sources: ReadonlyMap<string, string>) =>
  file === 'mapping' && [...sources.keys()].some((path) => path.startsWith('mapping/'));

/**
 * What makes an adapter unlike the others.
 *
 * @param name - The folder of its package.
 * @param files - All files of the repository; those of other packages are not looked at.
 */
export function unlikeAdapters(name: string, files: readonly SourceFile[]): string[] {
  const folder = `packages/${name}`;
  const sources = new Map(
    files
      .filter(({ path }) => path.startsWith(`${folder}/src/`) && !path.endsWith('.test.ts'))
      .map(({ path, text }) => [path.slice(`${folder}/src/`.length), text]),
  );
  const bound = sources.get('plugin.ts')?.matchAll(/\btokens\.(\w+)\)/g) ?? [];
  const capabilities = Array.from(bound, ([, token = '']) => token)
    .filter((token) => capabilityNames.some((capability) => capability === token))
    .map((token) => token.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`));
  const missing = [...adapterFiles, ...capabilities]
    .filter((file) => !sources.has(`${file}.ts`) && !mayBeFolder(file, sources))
    .map((file) => `${folder} has no src/${file}.ts`);
  const binding = [...sources]
    .filter(([path, text]) => path !== 'plugin.ts' && /\bnew ContainerModule\b/.test(text))
    .map(([path]) => `${folder} has bindings in src/${path}`);
  const manifest: { readonly peerDependencies?: Readonly<Record<string, string>> } = JSON.parse(
    files.find(({ path }) => path === `${folder}/package.json`)?.text ?? '{}',
  );
  const peers = ['@imgkit/core', 'inversify']
    .filter((peer) => manifest.peerDependencies?.[peer] === undefined)
    .map((peer) => `${folder} doesn't say that ${peer} is its peer`);
  return [...missing, ...binding, ...peers];
}
