/** Facts that go with a line of the log. None may be a secret. */
export type LogFields = Readonly<Record<string, unknown>>;

/** Where imgkit and its plugins write what a developer wants to know. Any log library's logger fits with a few lines. */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

/** How much a log line matters, from the least to the most. */
export const logLevels = ['debug', 'info', 'warn', 'error'] as const;

/** One of {@link logLevels}. */
export type LogLevel = (typeof logLevels)[number];

/** Writes nothing: the default, since a library is quiet until it is told to speak. */
export const silentLogger: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

/**
 * Writes one line for each entry to standard error, so that standard output stays the program's own.
 *
 * @param options - `level`: what matters less isn't written; `info` by default.
 *
 * @example
 * ```ts
 * import { consoleLogger, createImgkit } from '@imgkit/core';
 * import { qemu } from '@imgkit/qemu';
 *
 * await using kit = await createImgkit({
 *   providers: [qemu()],
 *   logger: consoleLogger({ level: 'debug' }),
 * });
 * console.log(kit.providers.names());
 * ```
 */
export function consoleLogger(options: { readonly level?: LogLevel | undefined } = {}): Logger {
  const least = logLevels.indexOf(options.level ?? 'info');
  const at = (level: LogLevel) =>
    logLevels.indexOf(level) < least
      ? () => undefined
      : (message: string, fields?: LogFields) => {
          process.stderr.write(`${level.padEnd(5)} ${message}${formatFields(fields)}\n`);
        };
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

function formatFields(fields: LogFields = {}): string {
  return Object.entries(fields)
    .map(([key, value]) => ` ${key}=${typeof value === 'string' ? value : formatValue(value)}`)
    .join('');
}

function formatValue(value: unknown): string {
  if (value instanceof Error) return value.message;
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    return String(value); // a cycle, or a BigInt: not worth losing the line
  }
}
