import type { Knex } from 'knex'
import { overlay } from './001-overlay.ts'
import { localChain } from './002-local-chain.ts'
import { eventsIndex } from './003-events-index.ts'
import { bans } from './004-bans.ts'
import { auth } from './005-auth.ts'
import { discoveryIndexes } from './006-discovery-indexes.ts'
import { fuel } from './007-fuel.ts'
import { uhrpObjects } from './008-uhrp-objects.ts'
import { headers } from './009-headers.ts'
import { sync } from './010-sync.ts'
import { keys } from './011-keys.ts'
import { ownAdverts } from './012-own-adverts.ts'
import { eventLog } from './013-event-log.ts'
import { requestNonces } from './014-request-nonces.ts'
import { sourceSecrets } from './015-source-secrets.ts'
import { logGuards } from './016-log-guards.ts'
import { projections } from './017-projections.ts'
import { overlayIngest } from './018-overlay-ingest.ts'
import { rounds } from './020-rounds.ts'
import { reputations } from './021-reputations.ts'
import { certificates } from './022-certificates.ts'
import { agentDirectory } from './023-agent-directory.ts'
import { pipelineIndexes } from './024-pipeline-indexes.ts'
import { jobViews } from './025-job-views.ts'
import { askedTime } from './026-asked-time.ts'
import { unprovenDeclarations } from './028-unproven-declarations.ts'
import { boundedQuestions } from './029-bounded-questions.ts'
import { packetNews } from './030-packet-news.ts'
import { search } from './031-search.ts'
import { quarantineSummary } from './032-quarantine-summary.ts'
import { walletLookups } from './033-wallet-lookups.ts'
import { subscriptions } from './034-subscriptions.ts'
import { publishers } from './035-publishers.ts'
import { operatorsSwitch } from './036-operators-switch.ts'
import { publishersQuarantine } from './037-publishers-quarantine.ts'
import { operatorsLimits } from './038-operators-limits.ts'
import { fusedObservations } from './039-fused-observations.ts'
import { certificateHosts } from './040-certificate-hosts.ts'
import { streamsOfObjects } from './041-streams-of-objects.ts'
import { registryEpoch } from './042-registry-epoch.ts'
import { owedAnswers } from './043-owed-answers.ts'
import { overlayResubmission } from './044-overlay-resubmission.ts'
import { idleNativeIds } from './045-idle-native-ids.ts'
import { retentionsByEnd } from './046-retentions-by-end.ts'
import { countedSeconds } from './047-counted-seconds.ts'
import { replacedBlocks } from './048-replaced-blocks.ts'

/** One step of the database. It runs in a transaction: what fails leaves nothing behind. */
export type Migration = {
  /** Three digits and a name, as `001-overlay`. */
  readonly name: string
  up(knex: Knex): Promise<void>
  down(knex: Knex): Promise<void>
}

/** In order. A released one is never edited, renamed or moved; a change to the database is another one at the end. */
export const migrations: readonly Migration[] = [
  overlay,
  localChain,
  eventsIndex,
  bans,
  auth,
  discoveryIndexes,
  fuel,
  uhrpObjects,
  headers,
  sync,
  keys,
  ownAdverts,
  eventLog,
  requestNonces,
  sourceSecrets,
  logGuards,
  projections,
  overlayIngest,
  rounds,
  reputations,
  certificates,
  agentDirectory,
  pipelineIndexes,
  jobViews,
  askedTime,
  unprovenDeclarations,
  boundedQuestions,
  packetNews,
  search,
  quarantineSummary,
  walletLookups,
  subscriptions,
  publishers,
  operatorsSwitch,
  publishersQuarantine,
  operatorsLimits,
  fusedObservations,
  certificateHosts,
  streamsOfObjects,
  registryEpoch,
  owedAnswers,
  overlayResubmission,
  idleNativeIds,
  retentionsByEnd,
  countedSeconds,
  replacedBlocks,
]
