export {
  bake,
  type BakedImage,
  type BakeOptions,
  type BakeResult,
  type BakeRun,
  type BakeSummary,
} from './bake.ts';
export * from './communicator/communicator.ts';
export { connectSsh, type SshOptions } from './communicator/ssh.ts';
export { generateSshKeyPair, type SshKeyPair } from './communicator/ssh-keys.ts';
export { formatDuration, parseDuration, type Duration } from './duration.ts';
export { connectOverSsh, type Connect, type ConnectRequest } from './machine.ts';
export type { Machine, ProvisionContext, Provisioner } from './provisioner.ts';
export { file, type FileOptions } from './provisioners/file.ts';
export { reboot, type RebootOptions } from './provisioners/reboot.ts';
export { shell, type ShellOptions } from './provisioners/shell.ts';
export { recipe, type Recipe, type RecipeOptions, type RecipeSource } from './recipe.ts';
export { RedactingStream, Redactor } from './redact.ts';
export type { BakeEvent, BakeEventBody, BakePhase } from './run/bake-event.ts';
export type { SealOptions } from './seal.ts';
export { Secret, secret } from './secret.ts';
