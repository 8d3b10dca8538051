import { type LiveStage, liveStages } from '../../src/core/live/track.ts'

/** An event that the list shows, as far as is known. */
export type RecentEvent = {
  readonly eventId: string
  readonly streamId: string
  readonly partition: number
  readonly seq: number
  readonly sourceId: string
  readonly heardMs: number
  state: string
}

export const RECENT_MAX = 60
/** Nobody reads more; of the others the list says how many there were. */
export const TAKEN_PER_SECOND = 6

/** The newest events, a sample of them where there are more than anybody reads. */
export type Recent = {
  received(events: readonly Omit<RecentEvent, 'state'>[], many: number, nowMs: number): void
  reached(stage: LiveStage, streamId: string, partition: number, first: number, last: number): void
  /** Events from before this page listened. */
  seed(events: readonly RecentEvent[]): void
  events(): readonly RecentEvent[]
  /** Received while this page listened, and not taken into the list. */
  passedOver(): number
}

export function openRecent(): Recent {
  let events: RecentEvent[] = []
  let passedOver = 0
  let [second, taken] = [0, 0]
  return {
    received(arrived, many, nowMs) {
      if (Math.floor(nowMs / 1000) !== second) [second, taken] = [Math.floor(nowMs / 1000), 0]
      const some = arrived.slice(0, Math.max(0, TAKEN_PER_SECOND - taken))
      taken += some.length
      passedOver += many - some.length
      events = [...some.map(event => ({ ...event, state: 'received' })).reverse(), ...events].slice(
        0,
        RECENT_MAX,
      )
    },
    reached(stage, streamId, partition, first, last) {
      for (const event of events)
        if (
          event.streamId === streamId &&
          event.partition === partition &&
          event.seq >= first &&
          event.seq <= last &&
          rank(event.state) < rank(stage)
        )
          event.state = stage
    },
    seed(older) {
      const known = new Set(events.map(({ eventId }) => eventId))
      events = [...events, ...older.filter(({ eventId }) => !known.has(eventId))].slice(0, RECENT_MAX)
    },
    events: () => events,
    passedOver: () => passedOver,
  }
}

/** What is no stage of the way is where an event stays. */
function rank(state: string): number {
  const at = (liveStages as readonly string[]).indexOf(state)
  return at === -1 ? liveStages.length : at
}
