import { pause } from '../../runtime/pause.ts'
import type { ChainChange, StopFollowing, Tip } from './chain.ts'

export type Announcements = {
  /** Tells every follower, in its own time. */
  announce(forkHeight: number): void
  /** `behindFrom`: the fork height of what the follower has missed already, where it has missed anything. */
  follow(onChange: FollowCallback, behindFrom?: Promise<number | undefined>): StopFollowing
}

type FollowCallback = (change: ChainChange) => Promise<void>

/** How long a follower that failed is left alone before it is called again; longer and longer while it fails. */
const RETRY_MS = 250
const RETRY_MS_MAX = 10_000

/**
 * One call at a time per follower; what happens meanwhile is told in one later call, down to the lowest fork. A
 * call that fails is made again, so no change is ever missed.
 */
export function openAnnouncements(currentTip: () => Tip, onTrouble: (error: unknown) => void): Announcements {
  const followers = new Set<(forkHeight: number) => void>()

  return {
    announce(forkHeight) {
      for (const tell of followers) tell(forkHeight)
    },
    follow(onChange, behindFrom = Promise.resolve(undefined)) {
      const stopped = new AbortController()
      let untold: number | undefined
      let telling: Promise<void> | undefined

      const note = (forkHeight: number) => {
        untold = Math.min(untold ?? forkHeight, forkHeight)
      }
      async function tellAll() {
        let failures = 0
        while (untold !== undefined && !stopped.signal.aborted) {
          const forkHeight = untold
          untold = undefined
          try {
            await onChange({ forkHeight, tip: currentTip() })
            failures = 0
          } catch (error) {
            note(forkHeight)
            onTrouble(error)
            await pause(Math.min(RETRY_MS * 2 ** failures, RETRY_MS_MAX), stopped.signal)
            failures += 1
          }
        }
        telling = undefined
      }
      const tell = (forkHeight: number) => {
        note(forkHeight)
        telling ??= tellAll()
      }
      followers.add(tell)
      const caughtUp = behindFrom.then(
        forkHeight => {
          if (forkHeight !== undefined) tell(forkHeight)
        },
        // Nothing is known about what was missed, so everything may have changed.
        error => {
          onTrouble(error)
          tell(-1)
        },
      )
      return async () => {
        followers.delete(tell)
        stopped.abort()
        await caughtUp
        await telling
      }
    },
  }
}
