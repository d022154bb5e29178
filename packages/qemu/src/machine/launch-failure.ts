import { ImgkitError, type ErrorCode } from '@imgkit/core';

interface Known {
  readonly pattern: RegExp;
  readonly code: ErrorCode;
  readonly hint: string;
}

// What QEMU says when it can't start, and what to do about it. The first that matches counts.
const known: readonly Known[] = [
  {
    pattern:
      /cannot lock pid file|Failed to get (shared )?"?(write|consistent read)"? lock|Failed to get .*lock/i,
    code: 'IN_USE',
    hint: 'Another machine runs with the same disk: stop it first.',
  },
  {
    pattern: /could not set up host forwarding|Address already in use/i,
    code: 'UNAVAILABLE',
    hint: 'A port was taken in the meantime: try again.',
  },
  {
    pattern: /KVM|failed to set MSR/,
    code: 'FAILED_PRECONDITION',
    hint: 'KVM does not work on this host: choose the accelerator tcg.',
  },
  {
    pattern: /cannot set up guest memory|Cannot allocate memory/i,
    code: 'QUOTA_EXCEEDED',
    hint: 'The host has too little memory left: give the machine less, or stop another one.',
  },
  {
    pattern: /No space left on device/i,
    code: 'QUOTA_EXCEEDED',
    hint: 'The disk that holds the store is full.',
  },
  {
    pattern: /Could not open .*(No such file|Is a directory)|Could not open backing file/i,
    code: 'FAILED_PRECONDITION',
    hint: 'A disk of the machine is missing: delete the machine and make it anew.',
  },
  {
    pattern: /Permission denied/i,
    code: 'PERMISSION_DENIED',
    hint: 'The store must belong to the user who runs the machine.',
  },
];

/** The error for a QEMU that ended instead of starting, from what it wrote. Pure. */
export function launchFailure(binary: string, log: string, directory: string): ImgkitError {
  const lines = log
    .trim()
    .split('\n')
    .filter((line) => !/warning:/i.test(line));
  const last = (lines.at(-1) ?? '').replace(/^\S*qemu-system-\S+: /, '').trim();
  const match = known.find(({ pattern }) => pattern.test(log));
  return new ImgkitError(
    match?.code ?? 'OPERATION_FAILED',
    `${binary} did not start: ${last === '' ? 'it gave no reason' : last}`,
    {
      operation: 'start a machine',
      resource: directory,
      hint: match?.hint ?? 'The whole output is in qemu.log of that directory.',
      providerCode: last,
    },
  );
}
