import { accepted, type Outcome, refused } from '../../core/fault.ts'
import { beginning, type Track, trackNumber } from '../../core/live/track.ts'
import type { Reader } from '../../core/registry/may-read.ts'
import { openCatchUp } from './catch-up.ts'
import { type Client, type Group, openGroup, tellGroup, write } from './group.ts'
import { openHistory } from './history.ts'
import { asksOfEvents, type LiveFilter } from './live-filter.ts'
import { frameOf } from './message.ts'
import type { Piece } from './piece.ts'
import type { Attached, Attachment, EndReason, HubDeps, KnownPartition, LiveRoute } from './ports.ts'
import { openTokenWriter } from './resume-token.ts'
import { openSayings } from './sayings.ts'
import { startingPlaces } from './starting-places.ts'
import { type Followed, keepWithin, keptBytes, openTail, type Tail } from './tail.ts'
import { together } from './together.ts'
import { tracksFor } from './tracks-for.ts'

/**
 * All who follow live events at this process. What is new on a track is read once for all of them, and whoever wants the
 * same is given the same bytes. Nobody waits for anybody else.
 */
export type Hub = {
  /** Or why it is not served here now. */
  attach(attachment: Attachment): Promise<Outcome<Attached> | 'too-many-filters' | 'stopping'>
  /** Something is new in these partitions. */
  wake(what: 'received' | 'packets', partitionIds: readonly number[]): void
  /** Something may be new anywhere. */
  wakeAll(): void
  /** Reads what is new and tells it; 'more' where there is more to read. */
  look(): Promise<'more' | 'all'>
  clients(route: LiveRoute['name']): number
  /** Filters that differ, or whose readers do, each of which is asked about every event. */
  filters(): number
  /** What is kept of the ends of tracks, and of what was read and said just now, for whoever is behind. */
  keptBytes(): number
  /** Tells everybody, with where to go on, and lets them go. */
  stop(): void
}

export function openHub(deps: HubDeps): Hub {
  const { bounds, events, now } = deps
  const tails = new Map<string, Tail>()
  const groups = new Map<string, Group>()
  const clients = new Set<Client>()
  const woken = { received: new Set<number>(), packets: new Set<number>(), all: true }
  let partitions: ReadonlyMap<number, KnownPartition> = new Map()
  let partitionsSaid = ''
  let [partitionsUpTo, readMs] = [0, Number.NEGATIVE_INFINITY]
  let stopping = false
  let refreshing: Promise<void> | undefined
  const waiting: { readonly soon: boolean; resume(): void }[] = []

  const nextLook = (soon: boolean) =>
    new Promise<void>(resume => {
      waiting.push({ soon, resume })
      if (soon) deps.lookSoon()
    })
  const wakeTrack = ({ partitionId, stage }: Track) =>
    woken[stage === 'received' ? 'received' : 'packets'].add(partitionId)
  const history = openHistory(deps)
  const sayings = openSayings(bounds, now)
  const catchUp = openCatchUp({
    ...deps,
    ...{ history, sayings, nextLook },
    join: client => void client.group.live.add(client),
    fail: (client, error) => fail(client, error),
  })

  const refresh = async (maxAgeMs: number) => {
    if (now() - readMs < maxAgeMs) return
    refreshing ??= readAccess().finally(() => {
      refreshing = undefined
    })
    await refreshing
  }

  const readAccess = async () => {
    const startedMs = now()
    const known = await deps.readPartitions()
    const said = JSON.stringify(known)
    const isSame = said === partitionsSaid
    partitions = new Map(known.map(each => [each.partitionId, each]))
    partitionsUpTo = Math.max(partitionsUpTo, ...partitions.keys())
    const readers = new Map<string, Promise<Reader>>()
    for (const group of groups.values()) {
      const { identityKey } = group.reader
      if (identityKey === undefined) continue
      const asked = readers.get(identityKey) ?? deps.findReader(identityKey)
      readers.set(identityKey, asked)
      group.reader = await asked
    }
    for (const group of groups.values())
      if (!isSame || group.reader.identityKey !== undefined) await follow(group)
    forgetUnfollowed()
    // Only now: what has failed for one group is done again for all.
    partitionsSaid = said
    readMs = startedMs
  }

  /** Has a group follow what it may and wants to, and nothing else. */
  const follow = async (group: Group) => {
    const wanted = tracksFor(group.filter, group.reader, partitions)
    if (isFollowed(group, wanted) && group.known === partitions) return
    const followed = await followedOf(wanted, group)
    // What it may follow can have changed meanwhile.
    if (!isSameTracks(wanted, tracksFor(group.filter, group.reader, partitions))) return await follow(group)
    const isSame = isFollowed(group, wanted)
    const before = { followed: group.followed, known: group.known }
    group.follow(followed, partitionsUpTo, partitions)
    if (isSame) return
    // Those who are up to date are so on what they followed; what is new they may have to catch up with.
    for (const client of [...group.members]) {
      const isLive = group.live.delete(client)
      for (const [number, { tail }] of before.followed) if (isLive) client.places.set(number, tail.end())
      for (const [number, place] of client.places) {
        if (followed.has(number)) continue
        // Where it goes on if it may follow that again.
        client.parted.set(number, place)
        client.places.delete(number)
      }
      for (const [number, { tail }] of followed) {
        if (client.places.has(number)) continue
        const isNew = !before.known.has(tail.track.partitionId)
        client.places.set(number, client.parted.get(number) ?? (isNew ? { at: 0, line: 0 } : tail.end()))
      }
      client.upTo = partitionsUpTo
      client.writer = undefined
      if (isLive) void catchUp(client)
    }
    if (followed.size > bounds.partitionsMax * STAGES_MAX)
      for (const client of [...group.members]) end(client, 'too-many-partitions')
  }

  const followedOf = async (tracks: readonly Track[], group: Group): Promise<Map<number, Followed>> => {
    const { filter, known, members } = group
    const missing = tracks.filter(track => !tails.has(tailName(track, filter)))
    const ends = missing.length === 0 ? [] : await deps.readEnds(missing)
    for (const [i, track] of missing.entries()) {
      const [name, start] = [tailName(track, filter), ends[i]]
      if (start === undefined || tails.has(name)) continue
      // Of one that was opened since, members are told from its first event on: together, not each from the log.
      const isNew = members.size > 0 && !known.has(track.partitionId)
      tails.set(name, openTail(track, asksForEvents(track, filter), isNew ? beginning : start))
      // What came since its end was read has woken nobody.
      wakeTrack(track)
    }
    if (missing.length > 0) deps.lookSoon()
    // Who else followed one of them may have left meanwhile, and its tail with them.
    if (tracks.some(track => !tails.has(tailName(track, filter)))) return await followedOf(tracks, group)
    const followed = new Map<number, Followed>()
    for (const track of tracks) {
      const tail = tails.get(tailName(track, filter))
      const partition = partitions.get(track.partitionId)
      if (tail !== undefined && partition !== undefined) followed.set(trackNumber(track), { tail, partition })
    }
    return followed
  }

  const forgetUnfollowed = () => {
    for (const [key, group] of groups)
      if (group.members.size === 0 && group.arriving === 0) groups.delete(key)
    const followed = new Set(
      [...groups.values()].flatMap(group => [...group.followed.values()].map(({ tail }) => tail)),
    )
    for (const [name, tail] of tails) if (!followed.has(tail)) tails.delete(name)
  }

  /** Undefined where there is no room for another one. */
  const groupFor = ({ route, filter, reader }: Attachment): Group | undefined => {
    const key = `${route.name} ${reader.identityKey ?? ''} ${filter.key}`
    const known = groups.get(key)
    if (known !== undefined) return known
    if (groups.size >= bounds.filtersMax) forgetUnfollowed()
    if (groups.size >= bounds.filtersMax) return undefined
    const group = openGroup({ key, route, filter, reader }, deps.positions)
    groups.set(key, group)
    return group
  }

  const attach: Hub['attach'] = async attachment => {
    await refresh(FRESH_MS)
    const group = groupFor(attachment)
    if (group === undefined) return 'too-many-filters'
    group.arriving += 1
    try {
      await follow(group)
      const count = new Set([...group.followed.values()].map(({ partition }) => partition.partitionId)).size
      if (count > bounds.partitionsMax)
        return refused(
          'query-invalid',
          `this would follow ${count} partitions, and at most ${bounds.partitionsMax} are followed at once; name the streams or topics that matter`,
        )
      const started = await startingPlacesIn(group, attachment.start)
      return stopping ? 'stopping' : begin(attachment, group, started)
    } finally {
      group.arriving -= 1
    }
  }

  /** What it follows may change while this is asked; whatever came up meanwhile has a place of its own. */
  const startingPlacesIn = async (group: Group, start: Attachment['start']) => {
    for (;;) {
      const { followed } = group
      const started = await startingPlaces(start, group, { ...deps, partitions })
      if (group.followed === followed) return started
    }
  }

  const begin = (
    { open, clientId, route }: Attachment,
    group: Group,
    { places, gaps }: Awaited<ReturnType<typeof startingPlaces>>,
  ): Outcome<Attached> => {
    const client: Client = {
      ...{ clientId, group, places, parted: new Map(), upTo: group.partitionsUpTo, sink: open() },
      writer: undefined,
      events: 0,
      isReduced: false,
      hasEnded: false,
      beatMs: now(),
      writtenBytes: 0,
      progress: { leftBytes: 0, sinceMs: now() },
    }
    clients.add(client)
    group.members.add(client)
    const cursor = openTokenWriter({ partitionsUpTo: client.upTo, places }, deps.positions).token()
    const hello = route.hello(clientId, now())
    const said = [hello, ...gaps].map(each => frameOf(client.sink.transport, JSON.stringify(each), cursor))
    write(client, Buffer.concat(said))
    void catchUp(client)
    return accepted({ leave: () => gone(client, 'left'), end: reason => end(client, reason) })
  }

  const gone = (client: Client, reason: EndReason | 'left') => {
    if (client.hasEnded) return
    client.hasEnded = true
    clients.delete(client)
    client.group.members.delete(client)
    client.group.live.delete(client)
    events.onEnded(client.group.route.name, reason)
  }

  /** With its last position, from which it can go on. */
  const end = (client: Client, reason: EndReason) => {
    if (client.hasEnded) return
    const cursor = cursorOf(client)
    const type = reason === 'slow' || reason === 'stalled' ? 'slow' : 'bye'
    const said = { type, reason, ts: now(), unreadBytes: client.sink.unread() }
    gone(client, reason)
    client.sink.end(frameOf(client.sink.transport, JSON.stringify(said), cursor), reason)
  }

  /** What fails at one of them is that one's alone: the others are told all the same. */
  const fail = (client: Client, error: unknown) => {
    events.onFailure(error)
    try {
      end(client, 'failed')
    } catch (endError) {
      events.onFailure(endError)
      gone(client, 'failed')
    }
  }

  const cursorOf = (client: Client): string => {
    if (client.group.live.has(client)) return client.group.cursor()
    client.writer ??= openTokenWriter({ partitionsUpTo: client.upTo, places: client.places }, deps.positions)
    return client.writer.token()
  }

  const dueTails = (): Tail[] => {
    const due = [...tails.values()].filter(
      ({ track: { partitionId, stage } }) =>
        woken.all || (stage === 'received' ? woken.received : woken.packets).has(partitionId),
    )
    woken.received.clear()
    woken.packets.clear()
    woken.all = false
    return due
  }

  const look = async (): Promise<'more' | 'all'> => {
    history.forget()
    sayings.forget()
    if (clients.size === 0) {
      if (groups.size > 0) forgetIdle()
      return 'all'
    }
    const isAnybodyWaiting = waiting.some(({ soon }) => soon)
    try {
      await refresh(bounds.accessMs)
      const rest = await readAndTell()
      // Whoever is ahead of a tail waits for the next look, which is not to be long.
      return isAnybodyWaiting ? 'more' : rest
    } finally {
      beat()
      for (const { resume } of waiting.splice(0)) resume()
    }
  }

  const readAndTell = async () => {
    const due = dueTails()
    if (due.length === 0) return 'all'
    let read: Awaited<ReturnType<HubDeps['readPieces']>>
    try {
      read = await deps.readPieces(
        due.map(({ track, withEvents, end }) => ({ track, from: end(), withEvents })),
      )
    } catch (error) {
      woken.all = true
      throw error
    }
    // From here on nothing waits: tails and those who follow them move together. Where those stand is written down first.
    for (const group of groups.values()) if (group.live.size > 0) group.writer()
    const fresh = new Map<Tail, readonly Piece[]>()
    let more = false
    for (const [i, tail] of due.entries()) {
      const its = read[i]
      if (its === undefined) continue
      const pieces = together(its.pieces)
      tail.take(pieces)
      if (pieces.length > 0) fresh.set(tail, pieces)
      if (!its.more) continue
      more = true
      wakeTrack(tail.track)
    }
    keepWithin(tails, bounds.tailsBytesMax)
    if (fresh.size > 0)
      for (const group of groups.values()) {
        cutOffSlow(group)
        tellGroup(group, fresh, { ...deps, sayings, onFailed: fail })
      }
    return more ? 'more' : 'all'
  }

  const cutOffSlow = (group: Group) => {
    each(group.live, client => {
      const unread = client.sink.unread()
      if (unread > bounds.unreadBytesMax) end(client, 'slow')
      else if (unread > bounds.reducedBytes) client.isReduced = group.route.canReduce
      else if (unread === 0) client.isReduced = false
    })
  }

  const beat = () => each(clients, beatFor)

  const beatFor = (client: Client) => {
    const { sink, progress, group } = client
    const unread = sink.unread()
    const leftBytes = client.writtenBytes - unread
    // Whoever reads a little now and then is slow, and not stuck.
    if (unread === 0 || leftBytes > progress.leftBytes) client.progress = { leftBytes, sinceMs: now() }
    else if (now() - progress.sinceMs >= bounds.stalledMsMax) return end(client, 'stalled')
    if (now() - client.beatMs < bounds.heartbeatMs) return
    client.beatMs = now()
    const { route } = group
    const facts = { ts: now(), clients: countOf(route.name), events: client.events }
    write(client, frameOf(sink.transport, JSON.stringify(route.heartbeat(facts)), cursorOf(client)))
  }

  const each = (some: ReadonlySet<Client>, act: (client: Client) => void) => {
    for (const client of [...some])
      try {
        act(client)
      } catch (error) {
        fail(client, error)
      }
  }

  const forgetIdle = () => {
    for (const [key, group] of groups) if (group.arriving === 0) groups.delete(key)
    if (groups.size === 0) tails.clear()
  }

  const countOf = (route: LiveRoute['name']) => {
    let count = 0
    for (const { group } of clients) if (group.route.name === route) count++
    return count
  }

  return {
    attach,
    look,
    wake(what, partitionIds) {
      for (const id of partitionIds) woken[what].add(id)
    },
    wakeAll() {
      woken.all = true
    },
    clients: countOf,
    filters: () => groups.size,
    keptBytes: () => keptBytes(tails) + history.keptBytes() + sayings.keptBytes(),
    stop() {
      stopping = true
      each(clients, client => end(client, 'shutdown'))
      for (const { resume } of waiting.splice(0)) resume()
    },
  }
}

/** A client that comes wants to see what was made just before. */
const FRESH_MS = 100
const STAGES_MAX = 7

function isFollowed(group: Group, wanted: readonly Track[]): boolean {
  return (
    wanted.length === group.followed.size && wanted.every(track => group.followed.has(trackNumber(track)))
  )
}

function isSameTracks(some: readonly Track[], others: readonly Track[]): boolean {
  const numbers = new Set(others.map(trackNumber))
  return some.length === others.length && some.every(track => numbers.has(trackNumber(track)))
}

function tailName(track: Track, filter: LiveFilter): string {
  return `${trackNumber(track)} ${asksForEvents(track, filter)}`
}

/** Of packets below certified; elsewhere events are what is read, for everybody. */
function asksForEvents({ stage }: Track, filter: LiveFilter): boolean {
  return stage !== 'received' && stage !== 'certified' && stage !== 'news' && asksOfEvents(filter)
}
