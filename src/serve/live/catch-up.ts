import { comparePlaces, type Place } from '../../core/live/track.ts'
import { type Client, write } from './group.ts'
import type { History } from './history.ts'
import { frameOf } from './message.ts'
import type { HubDeps } from './ports.ts'
import { openTokenWriter } from './resume-token.ts'
import { type Saying, type Sayings, sayingOf } from './sayings.ts'
import type { Followed, Tail } from './tail.ts'
import { together } from './together.ts'

export type CatchUpDeps = Pick<HubDeps, 'positions' | 'bounds' | 'events' | 'now'> & {
  readonly history: History
  readonly sayings: Sayings
  /** Resolves once tails may have moved on; `soon`: they are about to. */
  nextLook(soon: boolean): Promise<void>
  /** It is up to date on all tracks, at this moment. */
  join(client: Client): void
  fail(client: Client, error: unknown): void
}

/**
 * Has a client told of all from where it stands up to where the tails end, as fast as it reads, and then of what is new
 * together with the others. Both come from the same reader, so nothing is missing or told twice in between.
 */
export function openCatchUp(deps: CatchUpDeps): (client: Client) => Promise<void> {
  const { bounds, events, now, history, sayings, nextLook, join, fail } = deps

  const catchUp = async (client: Client) => {
    let aheadSinceMs: number | undefined
    for (;;) {
      const behind = [...client.group.followed].filter(([number, { tail }]) =>
        isBefore(client.places.get(number), tail.end()),
      )
      if (client.hasEnded) return
      if (behind.length === 0 && isLevel(client)) return join(client)
      // Ahead of a tail is who comes from another node that was told sooner, or was told of what is taken back since.
      if (behind.length === 0) {
        aheadSinceMs ??= now()
        await nextLook(now() - aheadSinceMs < AHEAD_MS)
      }
      for (const [number, followed] of behind) {
        for (let turn = turnOfOthers(); turn !== undefined; turn = turnOfOthers()) await turn
        // What it follows may have changed while it was told of the others.
        if (client.group.followed.get(number) !== followed) break
        const place = client.places.get(number)
        if (place === undefined || client.hasEnded) break
        const kept = sayings.from(client.group, followed, place)
        const said = kept.length > 0 ? kept : await saidFrom(client, followed, place)
        if (client.hasEnded) return
        if (client.group.followed.get(number)?.tail !== followed.tail) break
        if (!(await tell(client, number, followed.tail, said))) return
      }
    }
  }

  const saidFrom = async (client: Client, followed: Followed, place: Place): Promise<readonly Saying[]> => {
    const { group } = client
    const { tail } = followed
    const atHand = tail.from(place)
    const pieces = together(atHand ?? (await history.from(tail, place, () => !client.hasEnded)))
    // Whether a packet is there is looked at anew for each who comes to it later.
    if (atHand === undefined && tail.track.stage !== 'received')
      return pieces.map(piece => sayingOf(group, followed, piece))
    return pieces.map(piece => sayings.say(group, followed, piece, atHand === undefined ? 'history' : 'live'))
  }

  let [turnMs, turn]: [number | undefined, Promise<void> | undefined] = [undefined, undefined]
  /**
   * What to wait for, if anything: whoever is told what is at hand waits for nothing else, and others than those who are
   * behind have their turn in between. To be asked again once it resolves, as all who waited go on at once.
   */
  const turnOfOthers = (): Promise<void> | undefined => {
    turnMs ??= now()
    if (Math.abs(now() - turnMs) < TURN_MS) return undefined
    turn ??= new Promise(resolve =>
      setImmediate(() => {
        turnMs = undefined
        turn = undefined
        resolve()
      }),
    )
    return turn
  }

  /** False where it has gone. What it follows may have changed once this resolves. */
  const tell = async (
    client: Client,
    number: number,
    tail: Tail,
    said: readonly Saying[],
  ): Promise<boolean> => {
    const { group, sink, places } = client
    let [frames, bytes]: [Buffer[], number] = [[], 0]
    const send = () => {
      if (frames.length === 0) return
      write(client, Buffer.concat(frames))
      events.onDelivered(group.route.name, frames.length, bytes)
      frames = []
      bytes = 0
    }
    const stand = (place: Place) => {
      writerOf(client).move(number, place)
      places.set(number, place)
    }
    for (const { messages, to } of said) {
      for (const { json, move, events: count } of messages) {
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
        if (group.followed.get(number)?.tail !== tail) return true
      }
      stand(to)
    }
    send()
    return hasRoom(client)
  }

  const writerOf = (client: Client) => {
    client.writer ??= openTokenWriter({ partitionsUpTo: client.upTo, places: client.places }, deps.positions)
    return client.writer
  }

  /** False where it has gone. */
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
/** Another node is sooner by less than this. */
const AHEAD_MS = 1_000
/** So long those who are behind are told of what is at hand, until others have their turn. */
const TURN_MS = 10

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
