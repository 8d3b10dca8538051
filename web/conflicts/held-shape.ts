import type { Answer } from '../ask/ask.ts'
import { anything, flag, list, number, object, orNull, text } from '../ask/shapes.ts'

/* What is held, as operators are told of it and as publishers are, and as these pages show it. */

export type ListedItem = {
  readonly id: string
  readonly streamId: string
  readonly feedId: string
  readonly reason: string
  readonly receivedMs: number
}

export type HeldItem = ListedItem & {
  /** What a publisher's decision has to name; operators name none. */
  readonly version: string | undefined
  readonly detail: string
  readonly state: string
  readonly eventId: string | null
  readonly held: unknown
  readonly may: { readonly edit: boolean; readonly override: boolean }
  readonly steps: readonly {
    readonly atMs: number
    readonly action: string
    readonly who: string
    readonly detail: string
  }[]
}

export type HeldPage = { readonly items: readonly ListedItem[]; readonly older: string | null }

const toOperators = { id: text, streamId: text, sourceId: text, reason: text, receivedMs: number }
export const operatorsPage = object({
  data: object({ items: list(object(toOperators)), below: orNull(text) }),
})
export const operatorsItem = object({
  data: object({
    ...{ ...toOperators, detail: text, state: text, eventId: orNull(text), held: anything },
    steps: list(object({ atMs: number, action: text, who: text, detail: text })),
  }),
})
export const operatorsDecided = object({ data: object(toOperators) })

const toPublishers = { id: text, streamId: text, feedId: text, reason: text, receivedAt: text }
export const publishersPage = object({ items: list(object(toPublishers)), nextBefore: orNull(text) })
export const publishersItem = object({
  ...{ ...toPublishers, version: text, detail: text, state: text, eventId: orNull(text), held: anything },
  may: object({ edit: flag, override: flag }),
  steps: list(object({ at: text, action: text, by: text, detail: text })),
})

/** The answer with something made of what it says. */
export function told<T, U>(answer: Answer<T>, make: (value: T) => U): Answer<U> {
  return answer.kind === 'there' ? { ...answer, value: make(answer.value) } : answer
}
