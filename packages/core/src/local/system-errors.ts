import { type ErrorCode, type ErrorDetails, ImgkitError } from '../spec/errors.ts';

/** The `code` of a Node.js system error, for example `ENOENT`. */
export function systemCode(error: unknown): string | undefined {
  const code: unknown = error instanceof Error ? Reflect.get(error, 'code') : undefined;
  return typeof code === 'string' ? code : undefined;
}

const systemErrors: Readonly<Record<string, { code: ErrorCode; text: string; hint?: string }>> = {
  ENOENT: { code: 'NOT_FOUND', text: 'does not exist' },
  EEXIST: { code: 'ALREADY_EXISTS', text: 'exists already' },
  EACCES: { code: 'PERMISSION_DENIED', text: 'may not be accessed by this user' },
  EPERM: { code: 'PERMISSION_DENIED', text: 'may not be changed by this user' },
  EISDIR: { code: 'INVALID_ARGUMENT', text: 'is a directory, a file is needed' },
  ENOTDIR: { code: 'INVALID_ARGUMENT', text: 'has a parent that is not a directory' },
  EROFS: { code: 'FAILED_PRECONDITION', text: 'is on a read-only file system' },
  ENOSPC: {
    code: 'QUOTA_EXCEEDED',
    text: 'does not fit: no space is left on the device',
    hint: 'Free some space, or use a directory on a larger disk.',
  },
  EDQUOT: {
    code: 'QUOTA_EXCEEDED',
    text: 'does not fit: the disk quota of this user is used up',
    hint: 'Free some space, or use a directory on another disk.',
  },
};

/** Converts whatever a file operation on `path` threw; an imgkit error stays as it is. */
export function fileError(error: unknown, path: string, details: ErrorDetails = {}): ImgkitError {
  if (ImgkitError.is(error)) return error;
  const known = systemErrors[systemCode(error) ?? ''];
  const message = error instanceof Error ? error.message : String(error);
  return new ImgkitError(
    known?.code ?? 'OPERATION_FAILED',
    known === undefined ? `${path}: ${message}` : `${path} ${known.text}`,
    { resource: path, hint: known?.hint, cause: error, ...details },
  );
}

const toolErrors: readonly { pattern: RegExp; code: ErrorCode; hint?: string }[] = [
  {
    pattern: /No space left on device/,
    code: 'QUOTA_EXCEEDED',
    hint: 'Free some space, or use a directory on a larger disk.',
  },
  {
    pattern: /Failed to get "?(shared )?"?\w*"? ?lock|Is another process using the image/,
    code: 'IN_USE',
    hint: 'Another process has the disk open: stop the machine that uses it first.',
  },
  { pattern: /No such file or directory/, code: 'NOT_FOUND' },
  { pattern: /Permission denied/, code: 'PERMISSION_DENIED' },
  {
    pattern:
      /Image is not in \w+ format|[Ii]nvalid|corrupt|Unknown|Unsupported|[Tt]oo (large|big|small)/,
    code: 'INVALID_ARGUMENT',
    hint: 'Check that the file is a whole disk image of a supported format.',
  },
];

/** Converts the failure of a command-line tool, told by what it wrote to stderr. */
export function toolError(
  tool: string,
  args: readonly string[],
  failure: { exitCode: number | null; signal: string | null; stderr: string },
): ImgkitError {
  const stderr = failure.stderr.trim();
  const known = toolErrors.find(({ pattern }) => pattern.test(stderr));
  const end = failure.signal === null ? `exit code ${failure.exitCode}` : failure.signal;
  const said = stderr === '' ? 'it said nothing' : stderr.split('\n').slice(-3).join('; ');
  return new ImgkitError(
    known?.code ?? 'OPERATION_FAILED',
    `${tool} ${args[0] ?? ''} failed (${end}): ${said}`,
    {
      operation: `${tool} ${args[0] ?? ''}`,
      providerCode: String(failure.exitCode ?? failure.signal),
      hint: known?.hint,
      data: { arguments: args, stderr },
    },
  );
}

/** Which Debian package has each tool we run. */
const packages: Readonly<Record<string, string>> = {
  'qemu-img': 'qemu-utils',
  'qemu-system-x86_64': 'qemu-system-x86',
  tar: 'tar',
};

/** The error of a tool that is not installed. */
export function toolMissing(tool: string, cause: unknown): ImgkitError {
  return new ImgkitError('FAILED_PRECONDITION', `${tool} is not installed, or not in the PATH`, {
    operation: tool,
    hint: `Install it: sudo apt-get install -y ${packages[tool] ?? tool}`,
    cause,
  });
}
