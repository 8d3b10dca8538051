import { comparePlaces, type Place } from '../../core/live/track.ts'
import { type Client, type Followed, write } from './group.ts'
import type { History } from './history.ts'
import { frameOf } from './message.ts'
import type { Piece } from './piece.ts'
import type { HubDeps } from './ports.ts'
import { openTokenWriter } from './resume-token.ts'
import type { Sayings } from './sayings.ts'
import { together } from './together.ts'

export type CatchUpDeps = Pick<HubDeps, 'positions' | 'bounds' | 'events'> & {
  readonly history: History
  readonly sayings: Sayings
  /** Resolves once tails may have moved on. */
  nextLook(): Promise<void>
  /** It is up to date on all tracks, at this moment. */
  join(client: Client): void
  fail(client: Client, error: unknown): void
}

/**
 * Has a client told of all from where it stands up to where the tails end, as fast as it reads, and then of what is new
 * together with the others. Both come from the same reader, so nothing is missing or told twice in between.
 */
export function openCatchUp(deps: CatchUpDeps): (client: Client) => Promise<void> {
  const { bounds, events, history, sayings, nextLook, join, fail } = deps

  const catchUp = async (client: Client) => {
    for (;;) {
      const behind = [...client.group.followed].filter(([number, { tail }]) =>
        isBefore(client.places.get(number), tail.end()),
      )
      if (client.hasEnded) return
      if (behind.length === 0 && isLevel(client)) return join(client)
      // Ahead of a tail is who comes from another node that was told sooner.
      if (behind.length === 0) await nextLook()
      for (const [number, followed] of behind) {
        // What it follows may have changed while it was told of the others.
        if (client.group.followed.get(number) !== followed) break
        const place = client.places.get(number)
        if (place === undefined || client.hasEnded) break
        const pieces = followed.tail.from(place) ?? (await history.from(followed.tail, place))
        if (client.hasEnded) return
        if (client.group.followed.get(number)?.tail !== followed.tail) break
        if (!(await tell(client, number, followed, pieces))) return
      }
    }
  }

  let [toldBytes, turn]: [number, Promise<void> | undefined] = [0, undefined]
  /** Whoever is told from what is at hand waits for nothing; others than those who are behind have their turn in between. */
  const giveWay = async (bytes: number) => {
    toldBytes += bytes
    if (toldBytes < TURN_BYTES) return
    turn ??= new Promise(resolve =>
      setImmediate(() => {
        toldBytes = 0
        turn = undefined
        resolve()
      }),
    )
    await turn
  }

  /** False where it has gone. What it follows may have changed once this resolves. */
  const tell = async (
    client: Client,
    number: number,
    followed: Followed,
    pieces: readonly Piece[],
  ): Promise<boolean> => {
    const { group, sink, places } = client
    let [frames, bytes]: [Buffer[], number] = [[], 0]
    const send = () => {
      if (frames.length === 0) return
      for (const some of inFew(frames)) write(client, some)
      events.onDelivered(group.route.name, frames.length, bytes)
      frames = []
      bytes = 0
    }
    const stand = (place: Place) => {
      writerOf(client).move(number, place)
      places.set(number, place)
    }
    for (const piece of together(pieces, Math.floor(bounds.historyBytes / SAID_EVENT_BYTES))) {
      for (const { json, move, events: count } of sayings.of(group, followed, piece)) {
        if (move !== null) stand(move)
        client.events += count
        if (json === '') continue
        const frame = frameOf(sink.transport, json, writerOf(client).token())
        frames.push(frame)
        bytes += frame.length
        if (frames.length < MESSAGES_AT_ONCE && bytes < bounds.historyBytes) continue
        // A page can be many times what it is made of, with a place in each message; no more waits than is read.
        send()
        if (!(await hasRoom(client))) return false
        if (group.followed.get(number)?.tail !== followed.tail) return true
      }
      stand(piece.to)
    }
    send()
    await giveWay(pieces.reduce((sum, piece) => sum + piece.bytes, 0))
    return hasRoom(client)
  }

  const writerOf = (client: Client) => {
    client.writer ??= openTokenWriter({ partitionsUpTo: client.upTo, places: client.places }, deps.positions)
    return client.writer
  }

  /** False where it has gone, or does not read. */
  const hasRoom = async (client: Client): Promise<boolean> => {
    const { sink } = client
    const isFull = () => !client.hasEnded && sink.unread() > bounds.historyBytes
    while (isFull()) {
      // What the kernel takes at once is gone by then.
      await new Promise(setImmediate)
      if (isFull()) await sink.drained()
    }
    return !client.hasEnded
  }

  return async client => {
    try {
      await catchUp(client)
    } catch (error) {
      fail(client, error)
    }
  }
}

/** To somebody who is behind, before it is asked whether they are read. */
const MESSAGES_AT_ONCE = 200
/** Of what is kept: to so much is listened, about, until others have their turn. */
const TURN_BYTES = 4 * 1024 * 1024
/** What an event takes in a message that tells of many. */
const SAID_EVENT_BYTES = 67

/** Copying is cheaper than writing, but for what is large. */
const COPIED_BYTES_MAX = 16 * 1024

function inFew(frames: readonly Buffer[]): Buffer[] {
  const few: Buffer[] = []
  let small: Buffer[] = []
  const copy = () => {
    if (small.length > 0) few.push(Buffer.concat(small))
    small = []
  }
  for (const frame of frames)
    if (frame.length < COPIED_BYTES_MAX) small.push(frame)
    else {
      copy()
      few.push(frame)
    }
  copy()
  return few
}

function isBefore(place: Place | undefined, end: Place): boolean {
  return place !== undefined && comparePlaces(place, end) < 0
}

function isLevel({ group, places }: Client): boolean {
  for (const [number, { tail }] of group.followed) {
    const place = places.get(number)
    if (place === undefined || comparePlaces(place, tail.end()) !== 0) return false
  }
  return true
}
