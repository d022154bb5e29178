import type { SourceFile } from './repository.ts';

/** Which of our packages each may import; `examples` may import all, and an adapter only the core. */
const allowed: Readonly<Record<string, readonly string[]>> = {
  core: [],
  bake: ['core'],
  fleet: ['core'],
  cli: ['core', 'bake', 'fleet'],
};
const adapterMayImport = ['core'];

/** Where one of our modules imports another package of ours against the direction of the dependencies. */
export function wrongImports(files: readonly SourceFile[]): string[] {
  return files.flatMap((file) => {
    const importer = /^packages\/([^/]+)\//.exec(file.path)?.[1];
    if (importer === undefined) return [];
    const mayImport = new Set([...(allowed[importer] ?? adapterMayImport), importer]);
    return [...importedPackages(file.text)]
      .filter((imported) => !mayImport.has(imported))
      .map((imported) => `${file.path} imports @imgkit/${imported}`);
  });
}

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
    if (/\b(utils?|helpers?|managers?|misc|base)\b/.test(path)) problems.push('says nothing');
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
