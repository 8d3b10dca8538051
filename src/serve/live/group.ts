import type { Place } from '../../core/live/track.ts'
import type { Reader } from '../../core/registry/may-read.ts'
import type { LiveFilter } from './live-filter.ts'
import { frameOf, type Message, type Transport } from './message.ts'
import type { Piece } from './piece.ts'
import type { HubDeps, LiveRoute, Sink } from './ports.ts'
import { openTokenWriter, type TokenWriter } from './resume-token.ts'
import type { Sayings } from './sayings.ts'
import type { Followed, Tail } from './tail.ts'

/** Everybody who wants the same and may read the same. Those of them that are up to date are told with the same bytes. */
export type Group = {
  readonly key: string
  readonly route: LiveRoute
  readonly filter: LiveFilter
  reader: Reader
  followed: ReadonlyMap<number, Followed>
  partitionsUpTo: number
  /** Partitions that were there when it was looked at what it may follow. */
  known: ReadonlyMap<number, unknown>
  /** On their way in. */
  arriving: number
  readonly members: Set<Client>
  /** Members that have all that was told; where the tails end, they stand. */
  readonly live: Set<Client>
  follow(
    followed: ReadonlyMap<number, Followed>,
    partitionsUpTo: number,
    known: ReadonlyMap<number, unknown>,
  ): void
  /** Where those stand that are up to date. */
  cursor(): string
  /** The same, to be moved on as they are told. */
  writer(): TokenWriter
}

export type Client = {
  readonly clientId: string
  readonly group: Group
  readonly sink: Sink
  /** Where it stands while it is behind. */
  readonly places: Map<number, Place>
  /** Where it stood on what it may not follow any more. */
  readonly parted: Map<number, Place>
  upTo: number
  writer: TokenWriter | undefined
  /** That it was told of. */
  events: number
  isReduced: boolean
  hasEnded: boolean
  beatMs: number
  writtenBytes: number
  /** How much of that had left at most, and since when. */
  progress: { readonly leftBytes: number; readonly sinceMs: number }
}

export function write(client: Client, bytes: Uint8Array): void {
  client.sink.write(bytes)
  client.writtenBytes += bytes.length
}

export function openGroup(
  of: Pick<Group, 'key' | 'route' | 'filter' | 'reader'>,
  positions: HubDeps['positions'],
): Group {
  let writer: TokenWriter | undefined
  const group: Group = {
    ...of,
    followed: new Map(),
    partitionsUpTo: 0,
    known: new Map(),
    arriving: 0,
    members: new Set(),
    live: new Set(),
    follow(followed, partitionsUpTo, known) {
      group.followed = followed
      group.known = known
      group.partitionsUpTo = partitionsUpTo
      writer = undefined
    },
    writer() {
      writer ??= openTokenWriter(
        {
          partitionsUpTo: group.partitionsUpTo,
          places: new Map([...group.followed].map(([track, { tail }]) => [track, tail.end()])),
        },
        positions,
      )
      return writer
    },
    cursor: () => group.writer().token(),
  }
  return group
}

export type TellGroupDeps = Pick<HubDeps, 'now' | 'events'> & {
  readonly sayings: Sayings
  /** One that cannot be told; the others are. */
  onFailed(client: Client, error: unknown): void
}

/** What is new on its tracks, in their order; written once for all who get the same. */
export function tellGroup(
  group: Group,
  fresh: ReadonlyMap<Tail, readonly Piece[]>,
  deps: TellGroupDeps,
): void {
  const { now, events, sayings, onFailed } = deps
  const its = [...group.followed].flatMap(([number, followed]) => {
    const pieces = fresh.get(followed.tail)
    return pieces === undefined ? [] : [{ number, followed, pieces }]
  })
  if (its.length === 0) return
  if (group.live.size === 0) {
    try {
      // Those who are behind come to it.
      if (group.members.size > 0)
        for (const { followed, pieces } of its)
          for (const piece of pieces) sayings.say(group, followed, piece)
    } catch (error) {
      events.onFailure(error)
    }
    // Made anew where somebody stands there again.
    group.follow(group.followed, group.partitionsUpTo, group.known)
    return
  }
  const isAnyReduced = [...group.live].some(({ isReduced }) => isReduced)
  const [whole, reduced]: [Told[], Told[]] = [[], []]
  try {
    for (const { number, followed, pieces } of its)
      for (const piece of pieces) {
        tellPiece(
          group,
          { number, followed, piece },
          { whole, reduced: isAnyReduced ? reduced : undefined },
          deps,
        )
        if (piece.sinceMs !== null) events.onLag(group.route.name, now() - piece.sinceMs)
      }
  } catch (error) {
    // Nobody was told anything yet: they stand where they stood.
    for (const { number, pieces } of its)
      if (pieces[0] !== undefined) group.writer().move(number, pieces[0].from)
    for (const client of [...group.live]) onFailed(client, error)
    // Whoever joins now stands where the tails end.
    group.follow(group.followed, group.partitionsUpTo, group.known)
    return
  }
  const told = { whole: forMany(whole), reduced: forMany(reduced) }
  for (const client of group.live) {
    const { messageCount, eventCount, framesFor } = told[client.isReduced ? 'reduced' : 'whole']
    if (messageCount === 0) continue
    const frames = framesFor(client.sink.transport)
    try {
      write(client, frames)
    } catch (error) {
      onFailed(client, error)
      continue
    }
    client.events += eventCount
    events.onDelivered(group.route.name, messageCount, frames.length)
  }
}

type Told = { readonly json: string; readonly cursor: string; readonly events: number }

function tellPiece(
  group: Group,
  {
    number,
    followed,
    piece,
  }: { readonly number: number; readonly followed: Followed; readonly piece: Piece },
  { whole, reduced }: { readonly whole: Told[]; readonly reduced: Told[] | undefined },
  { sayings }: Pick<TellGroupDeps, 'sayings'>,
): void {
  const { route, filter } = group
  const on = { track: followed.tail.track, partition: followed.partition }
  const writer = group.writer()
  const others = reduced === undefined ? [] : route.say(piece, on, filter, { reduced: true })
  for (const [i, message] of sayings.say(group, followed, piece).messages.entries()) {
    if (message.move !== null) writer.move(number, message.move)
    if (message.json === '') continue
    const cursor = writer.token()
    whole.push(told(message, cursor))
    const other = others[i]
    if (other !== undefined) reduced?.push(told(other, cursor))
  }
}

function told({ json, events }: Message, cursor: string): Told {
  return { json, cursor, events }
}

/** One buffer for each way to be told. */
function forMany(messages: readonly Told[]) {
  const made: { [transport in Transport]?: Buffer } = {}
  return {
    messageCount: messages.length,
    eventCount: messages.reduce((sum, { events }) => sum + events, 0),
    framesFor(transport: Transport): Buffer {
      made[transport] ??= Buffer.concat(messages.map(({ json, cursor }) => frameOf(transport, json, cursor)))
      return made[transport]
    },
  }
}
