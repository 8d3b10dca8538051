import * as z from 'zod'
import { readAs } from '../refusal.ts'
import type { Lost, Standing } from './standing.ts'

/** Where a reader goes on: the node's word for it, and what the reader itself has checked so far. */
export type Position = {
  /** A token of the node's; or `earliest`, or `latest`. */
  readonly token: string
  readonly standings: Standings
}

/** By stream and partition. `fromStart`: partitions that are not there yet are read from their beginning. */
export type Standings = {
  readonly fromStart: boolean
  readonly places: ReadonlyMap<string, Standing | Lost>
}

export const nothingChecked: Standings = { fromStart: false, places: new Map() }

export function partitionKey(streamId: string, partition: number): string {
  return JSON.stringify([streamId, partition])
}

/** One text, which a store keeps and an application may keep with what it has made of the event. */
export function writePosition({ token, standings: { fromStart, places } }: Position): string {
  if (!fromStart && places.size === 0) return token
  const checked = [...places].map(([key, place]) =>
    'notBefore' in place
      ? [key, place.notBefore.at, place.notBefore.line]
      : [key, place.at, place.line, place.packetId],
  )
  return `${token}.${encodeURIComponent(JSON.stringify([1, fromStart, checked]))}`
}

/** Throws where it is none: whoever began elsewhere without a word would miss events, or have them twice. */
export function readPosition(text: string): Position {
  const [, token, checked] = /^([A-Za-z0-9_-]+)(?:\.(.+))?$/.exec(text) ?? []
  if (token === undefined) throw notOne()
  if (checked === undefined) return { token, standings: nothingChecked }
  const read = readAs(checkedShape, decoded(checked))
  if (read === undefined) throw notOne()
  const [, fromStart, places] = read
  return {
    token,
    standings: {
      fromStart,
      places: new Map(
        places.map(([key, at, line, packetId]) => [
          key,
          packetId === undefined ? { notBefore: { at, line } } : { at, line, packetId },
        ]),
      ),
    },
  }
}

/** Of a partition that is lost there is no packet to go on from. */
const placeShape = z.tuple([z.string(), z.int().min(0), z.int().min(0), z.string().nullable().optional()])
const checkedShape = z.tuple([z.literal(1), z.boolean(), z.array(placeShape)])

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    // Not one that was written here, as the shape will say.
    return ''
  }
}

function notOne(): TypeError {
  return new TypeError(
    'the position is not one that was handed out here; pass the `position` of the last item as it was, or earliest, or latest',
  )
}
