import type { ServerResponse } from 'node:http'

export type ReadLimits = {
  /** So long a client may take to read an answer once all of it is given; what is sent piece by piece ends with its last. */
  readonly answerMsMax: number
  /** So much longer for what is left of it, at this pace. */
  readonly answerBytesPerSecondMin: number
}

/** Looks for answers that were given in full and are not read to their end in time, and ends their connections. */
export function cutOffUnread(
  underWay: ReadonlySet<ServerResponse>,
  { answerMsMax, answerBytesPerSecondMin }: ReadLimits,
): { stop(): void } {
  const untilMs = new WeakMap<ServerResponse, number>()
  const looking = setInterval(
    () => {
      const nowMs = performance.now()
      for (const response of underWay) {
        // What is still being written has a bound of its own, as its writer knows what it waits for.
        if (!response.writableEnded) continue
        const until = untilMs.get(response)
        if (until === undefined)
          untilMs.set(
            response,
            nowMs + answerMsMax + (1_000 * response.writableLength) / answerBytesPerSecondMin,
          )
        else if (nowMs >= until) response.destroy()
      }
    },
    Math.min(LOOK_MS, answerMsMax),
  ).unref()
  return { stop: () => clearInterval(looking) }
}

const LOOK_MS = 1_000
