import * as z from 'zod'

/** When which batch is due, in milliseconds of the clock that all processes of a machine share: nothing that happens changes it. */
export const schedule = z.object({
  startMs: z.number(),
  /** Batches that are due before it are sent, and no figure is of them. */
  fromMs: z.number(),
  untilMs: z.number(),
  /** From one batch to the next. */
  everyMs: z.number(),
  batch: z.int(),
  streams: z.int(),
})
export type Schedule = z.output<typeof schedule>

export function scheduleOf(
  startMs: number,
  load: { rate: number; batch: number; seconds: number; warmSeconds: number; streams: number },
): Schedule {
  const fromMs = startMs + 1000 * load.warmSeconds
  return {
    ...{ startMs, fromMs, untilMs: fromMs + 1000 * load.seconds },
    ...{ everyMs: (1000 * load.batch) / load.rate, batch: load.batch, streams: load.streams },
  }
}

export function batchesOf({ startMs, untilMs, everyMs }: Schedule): number {
  return Math.ceil((untilMs - startMs) / everyMs)
}

/** The events of a batch are due together, and go to one stream; batches go to all streams in turn. */
export function batchAt({ startMs, everyMs, streams, batch }: Schedule, n: number) {
  return { dueMs: startMs + n * everyMs, stream: n % streams, firstEvent: n * batch }
}

export function isMeasured({ fromMs, untilMs }: Schedule, dueMs: number): boolean {
  return dueMs >= fromMs && dueMs < untilMs
}
