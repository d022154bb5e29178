import { spawn } from 'node:child_process';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { root } from './repository.ts';
import type { SourceFile } from './repository.ts';

/** One block of TypeScript in a guide or in a doc comment. */
export interface Fence {
  readonly path: string;
  /** The line of the opening fence, counted from 1. */
  readonly line: number;
  /** What follows the three backticks. */
  readonly info: string;
  readonly code: readonly string[];
}

/** The TypeScript fences of `file`: of its text if it is Markdown, else of its doc comments. */
export function fencesOf(file: SourceFile): Fence[] {
  const lines = file.path.endsWith('.md') ? file.text.split('\n') : docLines(file.text);
  const fences: Fence[] = [];
  let open: { line: number; info: string; indent: number; code: string[] } | undefined;
  for (const [index, line] of lines.entries()) {
    const [, indent = '', info] = /^(\s*)```(.*)$/.exec(line) ?? [];
    if (info === undefined) open?.code.push(line.slice(open.indent));
    else if (open === undefined) {
      open = { line: index + 1, info: info.trim(), indent: indent.length, code: [] };
    } else {
      if (/^(ts|typescript|tsx|mts)\b/.test(open.info)) {
        fences.push({ path: file.path, line: open.line, info: open.info, code: open.code });
      }
      open = undefined;
    }
  }
  if (open !== undefined) throw new Error(`${file.path}:${open.line}: this fence is never closed`);
  return fences;
}

/** The lines of a source with everything but the text of its doc comments blanked, so that line numbers stay. */
function docLines(text: string): string[] {
  let inside = false;
  return text.split('\n').map((line) => {
    const starts = /^\s*\/\*\*/.test(line);
    const visible = inside || starts;
    inside = visible && !line.includes('*/');
    if (!visible || (starts && !inside)) return '';
    return line
      .replace(/^\s*\/?\*+ ?/, '')
      .replace(/\*\/\s*$/, '')
      .trimEnd();
  });
}

/**
 * Compiles each fence as a module of its own in `directory`, which is made anew, as a reader with the
 * published packages would.
 *
 * @returns One `file:line:column message` for each mistake, with the place where the fence stands.
 */
export async function compile(fences: readonly Fence[], directory: string): Promise<string[]> {
  await rm(directory, { recursive: true, force: true });
  await mkdir(directory, { recursive: true });
  const origins = new Map<string, string>();
  await Promise.all(
    fences.map(async (fence, index) => {
      const name = `fence-${index}.mts`;
      origins.set(name, fence.path);
      // As many empty lines as stand above the fence: what the compiler says then has the right line.
      const code = [...Array.from({ length: fence.line }, () => ''), ...fence.code, 'export {};'];
      await writeFile(join(directory, name), code.join('\n'));
    }),
  );
  const config = {
    extends: join(root, 'tsconfig.json'),
    compilerOptions: { tsBuildInfoFile: 'tsconfig.tsbuildinfo' },
    include: ['*.mts'],
    exclude: [],
  };
  await writeFile(join(directory, 'tsconfig.json'), JSON.stringify(config));
  const output = await typecheck(directory);
  return output
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => {
      const [, file = '', row, column, message] = /^(.*)\((\d+),(\d+)\): (.*)$/.exec(line) ?? [];
      const origin = origins.get(file.split('/').at(-1) ?? '');
      return origin === undefined ? line : `${origin}:${row}:${column} ${message}`;
    });
}

function typecheck(directory: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const compiler = spawn(
      join(root, 'node_modules/.bin/tsc'),
      ['--project', relative(root, directory), '--pretty', 'false'],
      { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] },
    );
    let output = '';
    const collect = (chunk: unknown): void => void (output += String(chunk));
    compiler.stdout.on('data', collect);
    compiler.stderr.on('data', collect);
    compiler.once('error', reject);
    compiler.once('close', (code) => {
      resolve(code !== 0 && output === '' ? `tsc ended with ${code}` : output);
    });
  });
}
