import type { Request } from 'express'
import type { Pool } from 'pg'
import type { Chain } from '../adapters/chain/chain.ts'
import type { Hosted } from '../adapters/overlay/hosted.ts'
import type { FindEvent, FoundEvent } from '../adapters/projections/find-event.ts'
import { openCountConfirmations } from '../adapters/reading/count-confirmations.ts'
import { openCountOutputs } from '../adapters/reading/count-outputs.ts'
import { openCountQuarantine } from '../adapters/reading/count-quarantine.ts'
import { openFindPacketStream } from '../adapters/reading/find-packet.ts'
import { openFindPolicySet } from '../adapters/reading/find-policy-set.ts'
import { openFindPublicConflict, openListConflicts } from '../adapters/reading/list-conflicts.ts'
import { openReadPacketLines, openReadPacketWork } from '../adapters/reading/packet-work.ts'
import { openPageCursors } from '../adapters/reading/page-cursors.ts'
import { openReadLine } from '../adapters/reading/read-line.ts'
import { openReadTransactions } from '../adapters/reading/read-transactions.ts'
import { openRightsOf } from '../adapters/reading/rights.ts'
import { openFindRoundOfJob, openReadRoundWork } from '../adapters/reading/round-work.ts'
import { firstDifference } from '../adapters/rounds/first-difference.ts'
import type { ContentStore } from '../adapters/uhrp/content-store.ts'
import { type JobRules, jobTemplates } from '../core/jobs/job-template.ts'
import { mayRead } from '../core/registry/may-read.ts'
import type { NodeAppParts } from '../http/app.ts'
import { type Conflicts, conflictRoutes } from '../http/read/conflict-routes.ts'
import { type EventDetails, eventRoutes } from '../http/read/event-routes.ts'
import { quarantineSummaryRoutes } from '../http/read/quarantine-summary-routes.ts'
import type { Reading } from '../http/read/reading.ts'
import { topicRoutes } from '../http/read/topic-routes.ts'
import { type WorkDetails, workRoutes } from '../http/read/work-routes.ts'
import { keptFor } from '../runtime/kept-for.ts'
import { certificationOf } from '../serve/certification.ts'
import { traceEvent, txidsOf } from '../serve/event-trace.ts'
import { hostedList } from '../serve/hosted-list.ts'
import { shownEvent } from '../serve/shown-event.ts'
import { shownJob } from '../serve/shown-job.ts'
import { shownPacket } from '../serve/shown-packet.ts'
import { shownRound } from '../serve/shown-round.ts'
import { lastLine } from '../serve/stage-lines.ts'

export type NodeDetailDeps = EventDetailDeps & {
  /** For what is asked by strangers. */
  readonly questions: Pool
  readonly hosted: Hosted
  readonly masterKey: Uint8Array
  readonly jobRules: JobRules
  readonly findEvent: FindEvent
  readonly reading: Reading
  now(): number
  onFailure(error: unknown, request: Request): void
}

/** What is shown of one thing: an event, a packet, a round, a job, what agents disagreed on, what is held and hosted. */
export function openNodeDetail(deps: NodeDetailDeps): NodeAppParts['routes'] {
  const { questions, findEvent, masterKey, reading, onFailure } = deps
  const pages = { cursors: openPageCursors(masterKey), rightsOf: openRightsOf(questions) }
  const asked = { ...deps, pool: questions }
  return [
    eventRoutes({ findEvent, reading, onFailure, details: openEventDetails(asked) }),
    workRoutes({ work: openWorkDetails(asked), templates: jobTemplates(deps.jobRules), reading, onFailure }),
    conflictRoutes({ ...pages, conflicts: openConflicts(deps), reading, onFailure }),
    quarantineSummaryRoutes({
      ...pages,
      countQuarantine: openCountQuarantine(questions),
      reading,
      onFailure,
    }),
    topicRoutes({ hosted: openHostedList(deps), onFailure }),
  ]
}

export type EventDetailDeps = {
  readonly pool: Pool
  readonly content: Pick<ContentStore, 'open'>
  /** Where there is none, nobody knows how many blocks confirm a certificate. */
  readonly chain?: Pick<Chain, 'tip' | 'rootAt'>
}

export function openEventDetails({ pool, content, chain }: EventDetailDeps): EventDetails {
  const readWork = openReadPacketWork(pool)
  const readLines = openReadPacketLines(pool)
  const readLine = openReadLine({ content })
  const parts = {
    readLine,
    findPolicySet: openFindPolicySet(pool),
    readTransactions: openReadTransactions(pool),
    countConfirmations: openCountConfirmations(chain),
  }
  const workOf = async ({ packetId }: FoundEvent) => (packetId === null ? undefined : readWork(packetId))
  return {
    async event(found) {
      const work = found.packetId === null ? undefined : await readLines(found.packetId)
      const line = work && (await lastLine(work, found.seq - work.header.firstSeq, readLine))
      return line === 'busy' ? 'busy' : shownEvent(found, line)
    },
    trace: async found => traceEvent(found, await workOf(found), parts),
    certification: async found => certificationOf(found, await workOf(found), parts),
  }
}

function openWorkDetails({ pool, chain }: EventDetailDeps): WorkDetails {
  const findPacketStream = openFindPacketStream(pool)
  const readPacket = openReadPacketWork(pool)
  const readRound = openReadRoundWork(pool)
  const findRoundOfJob = openFindRoundOfJob(pool)
  const readTransactions = openReadTransactions(pool)
  const countConfirmations = openCountConfirmations(chain)
  return {
    async packet(packetId, reader) {
      const stream = await findPacketStream(packetId)
      if (stream === undefined || !mayRead(reader, stream)) return undefined
      const work = await readPacket(packetId)
      return work && shownPacket(work, await readTransactions(txidsOf(work)), { countConfirmations })
    },
    async round(roundId, reader) {
      const round = await readRound(roundId)
      return round && shownRound(round, reader)
    },
    async job(name, reader) {
      const roundId = await findRoundOfJob(name.txid)
      const round = roundId === undefined ? undefined : await readRound(roundId)
      const job = round?.jobs.find(({ txid }) => txid === name.txid)
      if (round === undefined || job === undefined) return undefined
      const results = job.seats.flatMap(seat => seat.results.map(({ txid }) => txid))
      return shownJob(round, name, reader, await readTransactions(results))
    },
  }
}

function openConflicts({ pool, questions, content }: NodeDetailDeps): Conflicts {
  const findPublic = openFindPublicConflict(questions)
  return {
    list: openListConflicts(questions),
    async difference(name, reader) {
      const id = await findPublic(name, reader)
      const found = id === undefined ? 'unknown' : await firstDifference(pool, content, id)
      return typeof found === 'string' ? undefined : found
    },
  }
}

/** Counting reads much, and anybody may ask: the answer is that of a minute ago. */
const COUNTED_FOR_MS = 60_000

function openHostedList({ questions, hosted, now }: NodeDetailDeps): () => Promise<object> {
  const countOutputs = openCountOutputs(questions)
  const list = async () => {
    const [managers, services] = await Promise.all([describe(hosted.managers), describe(hosted.services)])
    const counts = await countOutputs(managers.map(({ name }) => name))
    return hostedList(managers, services, counts, now())
  }
  return keptFor(COUNTED_FOR_MS, list, now).read
}

type Described = { getMetaData(): Promise<{ readonly shortDescription: string }> }

function describe(hosted: Readonly<Record<string, Described>>) {
  return Promise.all(
    Object.entries(hosted).map(async ([name, thing]) => ({
      name,
      description: (await thing.getMetaData()).shortDescription,
    })),
  )
}
