import type { Level } from '../core/level.ts'
import type { ReadableStream } from '../core/registry/may-read.ts'
import type { ResultStatus } from '../core/rounds/pipeline.ts'
import type { Stage, Template } from '../core/rounds/template.ts'

/** All that is on record of one round, as of one moment. */
export type RoundWork = {
  readonly roundId: string
  readonly template: Template
  readonly level: Level
  readonly audience: 'public' | 'restricted'
  readonly attempt: number
  readonly state: string
  readonly inputHash: string
  /** Identity key of the log, which asks and certifies. */
  readonly coordinator: string
  readonly rebuild: number
  readonly madeMs: number
  readonly decidedMs: number | null
  readonly overMs: number | null
  readonly members: readonly RoundMember[]
  readonly jobs: readonly RoundJob[]
  readonly certificates: readonly RoundCertificate[]
}

/** A packet in the round; of an aggregate, the range that it is about. */
export type RoundMember = {
  readonly index: number
  readonly stream: ReadableStream & { readonly streamId: string }
  readonly packetId: string
  readonly partition: number
  readonly firstPacket: number
  readonly lastPacket: number
  readonly events: number | null
  readonly status: string
  readonly leftWhy: string | null
  readonly leftMs: number | null
}

export type RoundJob = {
  readonly txid: string
  readonly stage: Stage
  readonly rebuild: number
  readonly members: readonly number[]
  readonly inputRoot: string
  readonly madeMs: number
  readonly seenMs: number | null
  readonly deadlineMs: number
  readonly decidedMs: number | null
  readonly outcome: string | null
  readonly seats: readonly RoundSeat[]
}

export type RoundSeat = {
  readonly vout: number
  readonly agentKey: string
  readonly operator: string
  readonly state: 'queued' | 'running' | 'completed' | 'failed' | 'dead'
  readonly conduct: string | null
  readonly attempts: number
  readonly nextRunMs: number
  readonly offeredMs: number | null
  readonly acknowledgedMs: number | null
  readonly completedMs: number | null
  readonly madeMs: number
  readonly results: readonly RoundResult[]
}

export type RoundResult = {
  readonly txid: string
  readonly status: ResultStatus
  /** 32 bytes for each member of the job, hex. */
  readonly leaves: string
  readonly workHash: string
  readonly evidenceHash: string
  readonly arrivedMs: number
  readonly isLate: boolean
  readonly work: 'unchecked' | 'held' | 'void'
  /** By member of the round; of those whose bytes were here. */
  readonly outputs: readonly { readonly member: number; readonly outputHash: string }[]
}

export type RoundCertificate = {
  readonly txid: string
  readonly vout: number
  readonly member: number
  readonly versionId: string
  readonly state: string
  readonly blockHeight: number | null
}

export type ReadRoundWork = (roundId: string) => Promise<RoundWork | undefined>
/** The round that a job is of. */
export type FindRoundOfJob = (txid: string) => Promise<string | undefined>
