import type { Level } from '../level.ts'

/** Where events can be followed, in the order in which they get there. */
export const liveStages = ['received', 'normalized', 'validated', 'certified', 'anchored', 'proven'] as const
export type LiveStage = (typeof liveStages)[number]

/** `news`: what became of packets that readers were past: certified after all, or no longer anchored. */
export const trackStages = [...liveStages, 'news'] as const
export type TrackStage = (typeof trackStages)[number]

/** What is read in one order: one partition at one stage. */
export type Track = { readonly partitionId: number; readonly stage: TrackStage }

/** A number for each track; they ascend by partition, then stage. */
export function trackNumber({ partitionId, stage }: Track): number {
  return partitionId * STAGES_ROOM + trackStages.indexOf(stage)
}

export function trackOf(number: number): Track | undefined {
  const stage = trackStages[number % STAGES_ROOM]
  return stage && { partitionId: Math.floor(number / STAGES_ROOM), stage }
}

const STAGES_ROOM = 8

/**
 * What comes next on a track. Up to validation `at` is the dense sequence, and `line` 0; from certification on they are
 * packetNo and line; of news, the order in which it was told.
 */
export type Place = { readonly at: number; readonly line: number }

export const beginning: Place = { at: 0, line: 0 }

export function comparePlaces(a: Place, b: Place): number {
  return a.at - b.at || a.line - b.line
}

export function hasLines(stage: TrackStage): boolean {
  return trackStages.indexOf(stage) >= trackStages.indexOf('certified')
}

/** A partition as its readers see it, with what decides who they are. */
export type LivePartition = {
  readonly partitionId: number
  readonly streamId: string
  readonly partition: number
  readonly level: Level
  readonly topics: readonly string[]
  /** Whether its stream says by what its events belong together. */
  readonly isKeyed: boolean
}
