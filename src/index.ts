/**
 * What a host may import: our topics and lookup services, an overlay over a PostgreSQL of its own, and its routes for
 * any express app. Lighter entry points: assay/topic-managers, assay/lookup-services, assay/contract; for agents and
 * verifiers assay/agent-kit and assay/verify.
 */
export * from '../lookup-services/index.ts'
export { type Migration, migrations } from '../migrations/index.ts'
export * from '../topic-managers/index.ts'
export { spendHolds } from './adapters/bsv/judge-spend.ts'
export { installNativeCurve } from './adapters/bsv/native-curve.ts'
export type {
  BroadcastAnswer,
  Chain,
  ChainChange,
  StopFollowing,
  Tip,
  TransactionStatus,
} from './adapters/chain/chain.ts'
export { followLocalChain } from './adapters/chain/follow-local-chain.ts'
export { type LocalChain, openLocalChain } from './adapters/chain/local-chain.ts'
export { postgresAgentsIndex } from './adapters/indexes/agents-index.ts'
export { postgresEventsIndex } from './adapters/indexes/events-index.ts'
export { postgresHostAdvertsIndex } from './adapters/indexes/host-adverts-index.ts'
export { postgresUhrpIndex } from './adapters/indexes/uhrp-index.ts'
export type { Hosted, HostedManager, HostedService } from './adapters/overlay/hosted.ts'
export { type Overlay, type OverlayDeps, openOverlay } from './adapters/overlay/overlay.ts'
export type { OverlayEvents } from './adapters/overlay/overlay-events.ts'
export { postToPeer } from './adapters/overlay/post-to-peer.ts'
export { reindex } from './adapters/overlay/reindex.ts'
export type { Steak, Submission } from './adapters/overlay/submission.ts'
export { type Database, type DatabaseOptions, openDatabase } from './adapters/postgres/database.ts'
export { type MigrateOptions, migrate } from './adapters/postgres/migrate.ts'
export * from './contract/index.ts'
export { adapters, readSubmission, recognizeShape, type Shape } from './core/event/adapters/recognize.ts'
export type { Envelope, PlacedEnvelope } from './core/event/envelope.ts'
export { payloadTypes } from './core/event/payload-types.ts'
export { namesOf, qualityFlags } from './core/event/quality-flags.ts'
export { type Fault, type FaultCode, FaultError, faultCodes, type Outcome } from './core/fault.ts'
export { explain } from './core/policy/explain.ts'
export { type PolicySet, policyDigest } from './core/policy/policy-set.ts'
export { readPolicySet } from './core/policy/read-policy-set.ts'
export { type ChainRoutesOptions, chainRoutes } from './http/chain-routes.ts'
export { allowCrossOrigin } from './http/cross-origin.ts'
export { type HealthCheck, type HealthDeps, healthRoutes } from './http/health-routes.ts'
export { type OverlayErrorCode, overlayErrorCodes } from './http/overlay-error.ts'
export {
  type OverlayRouteDeps,
  type OverlayRouteLimits,
  overlayRouteLimits,
  overlayRoutes,
} from './http/overlay-routes.ts'
export {
  type HostedIngestOptions,
  ingestRouter,
  runIngestMigrations,
  type Stoppable,
  startIngestWorker,
} from './node/hosted-ingest.ts'
