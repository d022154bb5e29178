export * from './engine/index.ts';
export { createImgkit, type Imgkit, type ImgkitOptions } from './imgkit.ts';
export { imgkitModule } from './imgkit-module.ts';
export {
  consoleLogger,
  logLevels,
  silentLogger,
  type LogFields,
  type Logger,
  type LogLevel,
} from './logger.ts';
export { nearNames } from './near-names.ts';
export {
  definePlugin,
  type Plugin,
  type PluginDefinition,
  type PluginFactory,
  type PluginInstanceOptions,
} from './plugin/define-plugin.ts';
export {
  checkedGuestUser,
  checkedPublicKey,
  checkedStartupScript,
  guestUserData,
  type GuestUserData,
} from './plugin/guest-user-data.ts';
export {
  loadPlugins,
  type LoadPluginsOptions,
  type PluginReference,
} from './plugin/load-plugins.ts';
export {
  cancelled,
  startOperation,
  throwIfAborted,
  type OperationControl,
} from './plugin/operation.ts';
export {
  ownedResources,
  type OwnedCollection,
  type OwnedCollections,
  type OwnedItem,
} from './plugin/owned-collections.ts';
export {
  CloudCalls,
  type CloudReading,
  type OperationToken,
  type ResumeCall,
} from './plugin/cloud-calls.ts';
export { ifThere } from './plugin/if-there.ts';
export { ProviderCalls, type ErrorPlace } from './plugin/provider-calls.ts';
export { withDetails } from './spec/error-details.ts';
export type { Providers } from './plugin/providers.ts';
export {
  createRetrier,
  type Retrier,
  type RetrierOptions,
  type RetryOptions,
} from './plugin/retrier.ts';
export {
  nextRolloutStep,
  type RolloutGoal,
  type RolloutMember,
  type RolloutStep,
} from './plugin/rollout-plan.ts';
export type { SchemaIssue, SchemaResult, StandardSchema } from './plugin/standard-schema.ts';
export {
  tokens,
  type Connection,
  type CoreParts,
  type ProviderParts,
  type Tokens,
} from './plugin/tokens.ts';
export type { Channel, ChannelMove, Channels } from './services/channels.ts';
export {
  holdLabel,
  type DeletionItem,
  type DeletionPlan,
  type DeletionResult,
  type DeletionSelection,
  type DeletionService,
} from './services/deletion.ts';
export type {
  DeprecationService,
  DueChange,
  TickOptions,
  TickReport,
} from './services/deprecation.ts';
export type { DeprecationItem, DeprecationPlan } from './services/deprecation-plan.ts';
export type { DeprecationReport, LeftImage } from './services/deprecation-run.ts';
export type {
  FamilyName,
  FamilyService,
  FamilySummary,
  PublishOptions,
  PublishResult,
  RollbackOptions,
  RollbackResult,
} from './services/families.ts';
export type { ImageSelection } from './services/image-selection.ts';
export type { ImageTarget } from './services/image-target.ts';
export type { ImageService, UsableImage, UseOptions, UseWarning } from './services/images.ts';
export type { SharingService } from './services/sharing.ts';
export type { UsageService } from './services/usage.ts';
export * from './spec/index.ts';
export { defaultStateDirectory } from './state-directory.ts';
