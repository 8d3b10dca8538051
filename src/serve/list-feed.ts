import type { Reader } from '../core/registry/may-read.ts'
import { type EventPage, type Looked, type Position, takePage } from './event-page.ts'
import type { EventQuestion, ListedEvent, Reach } from './event-question.ts'

/** Where events are looked for, and what has become of those that were found. */
export type FeedPorts<Found> = {
  look(
    reader: Reader,
    question: EventQuestion,
    from: { readonly below: Position | null; readonly wanted: number },
  ): Promise<readonly Looked<Found>[]>
  /** In the same order, without those that may not be read any more. */
  list(reader: Reader, events: readonly Found[]): Promise<readonly ListedEvent[]>
  reach(reader: Reader, question: EventQuestion): Promise<Reach>
}

/** A page of the newest events. How far it reaches is asked first: what is reached by then can be found. */
export async function listFeed<Found>(
  { look, list, reach }: FeedPorts<Found>,
  reader: Reader,
  question: EventQuestion,
  { limit, skip, below }: { readonly limit: number; readonly skip: number; readonly below: Position | null },
): Promise<EventPage<ListedEvent> & { readonly reach: Reach }> {
  const reached = await reach(reader, question)
  const looked = await look(reader, question, { below, wanted: skip + limit + 1 })
  const page = takePage(looked, { limit, skip })
  return { items: await list(reader, page.items), below: page.below, reach: reached }
}
