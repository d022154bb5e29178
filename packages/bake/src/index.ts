export * from './communicator/communicator.ts';
export { connectSsh, type SshOptions } from './communicator/ssh.ts';
export { generateSshKeyPair, type SshKeyPair } from './communicator/ssh-keys.ts';
export { parseDuration, type Duration } from './duration.ts';
export { Redactor, RedactingStream } from './redact.ts';
export { secret, Secret } from './secret.ts';
