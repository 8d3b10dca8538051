import { setTimeout as sleep } from 'node:timers/promises'

/** Ends early, without complaint, when told to stop. */
export async function pause(milliseconds: number, stop: AbortSignal): Promise<void> {
  await sleep(milliseconds, undefined, { signal: stop }).catch(() => {
    // Told to stop: whoever paused looks at the signal next.
  })
}
