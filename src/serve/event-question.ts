import type { EventState } from '../core/jobs/lifecycle.ts'
import type { Level } from '../core/level.ts'

/** Which events somebody asks for; what is not named makes no difference. */
export type EventQuestion = {
  readonly streamId?: string
  readonly sourceId?: string
  readonly type?: string
  readonly level?: Level
  /** Any of these. */
  readonly states?: readonly EventState[]
  /** Of when it came: from this on, and before that. */
  readonly fromMs?: number
  readonly untilMs?: number
}

/** An event in a list, with what has become of its packet; what is not known yet is null. */
export type ListedEvent = {
  readonly eventId: string
  readonly streamId: string
  readonly partition: number
  readonly level: Level
  readonly seq: number
  readonly sourceId: string
  readonly type: string
  readonly nativeId: string | null
  readonly eventTimeMs: number
  readonly ingestTimeMs: number
  readonly packetNo: number | null
  readonly packetId: string | null
  readonly state: EventState
  readonly orchestration: 'quorum' | 'local' | null
  readonly contentHash: string | null
  readonly versionId: string | null
  readonly changedMs: number
}

/** How far an answer reaches: events that were taken in and cannot be listed yet, of those that may be asked for. */
export type Reach = {
  /** Null: everything is in it. Else all that was answered for before this time, and of what came later perhaps not all. */
  readonly upToMs: number | null
  readonly behindEvents: number
}
