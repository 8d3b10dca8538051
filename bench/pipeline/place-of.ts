import * as z from 'zod'

/** Nothing that a load of new events is answered with. */
export class UnexpectedAnswer extends Error {}

const answerShape = z.object({
  items: z.array(z.object({ status: z.string(), seq: z.int().optional(), partition: z.int().optional() })),
})

/** Where the events of one request stand in their stream: one after the other, as they were sent. */
export function placeOf(text: string, events: number): { firstSeq: number; events: number } {
  const answer = answerShape.safeParse(parsed(text))
  const items = answer.success ? answer.data.items : []
  const firstSeq = items[0]?.seq ?? Number.NaN
  const isWhole =
    items.length === events &&
    items.every((item, i) => item.status === 'accepted' && item.partition === 0 && item.seq === firstSeq + i)
  if (!isWhole) throw new UnexpectedAnswer(`${events} new events were answered with ${text.slice(0, 500)}`)
  return { firstSeq, events }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // Not JSON, so it has no items; the error that follows shows what it is.
    return undefined
  }
}
