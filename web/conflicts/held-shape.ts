import { anything, list, number, object, orNull, type Read, text } from '../ask/shapes.ts'

const members = {
  id: text,
  streamId: text,
  sourceId: text,
  reason: text,
  detail: text,
  nativeId: orNull(text),
  receivedMs: number,
  state: text,
  decidedMs: orNull(number),
  eventId: orNull(text),
}

export const listShape = object({ data: object({ items: list(object(members)), below: orNull(text) }) })
export const itemShape = object({
  data: object({
    ...members,
    held: anything,
    steps: list(object({ atMs: number, action: text, who: text, detail: text })),
  }),
})
export const decidedShape = object({ data: object(members) })

export type ListedItem = Read<typeof listShape>['data']['items'][number]
export type HeldItem = Read<typeof itemShape>['data']
