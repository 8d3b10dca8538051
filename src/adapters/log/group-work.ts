import { sha256Hex } from '#sha256'
import type { IdentifiedEvent } from '../../core/event/identity.ts'
import type { AppendOutcome, Offer, OfferedEvent } from '../../ingest/append.ts'
import type { ItemAnswer } from '../../ingest/arrived.ts'
import type { Holding, LetGo } from './holdings.ts'
import type { Partition } from './partitions.ts'

export type GroupMember = { readonly offer: Offer; readonly partitions: readonly Partition[] }

/** What becomes of an offer while its group is being taken. */
export type Work = {
  readonly member: GroupMember
  /** Of the whole offer, once that is known before its items are. */
  outcome: AppendOutcome | undefined
  readonly items: ItemWork[]
}

export type ItemWork = {
  readonly member: GroupMember
  readonly index: number
  /** Undefined where its item is none. */
  readonly event: OfferedEvent | undefined
  /** Of an event, once what was known of its id has been asked for. */
  identity: IdentifiedEvent | undefined
  /** What its kind of item turned into. */
  held: Holding['item'] | undefined
  answer: ItemAnswer | undefined
  countsAs: 'duplicate' | 'rejected' | 'quarantined' | undefined
  /** Of a release: whether it leaves quarantine. */
  letGo: LetGo | undefined
}

export function workOn(member: GroupMember): Work {
  const items: ItemWork[] = []
  for (const [index, item] of member.offer.items.entries()) {
    const event = item.kind === 'event' ? item : undefined
    const work: ItemWork = {
      member,
      index,
      event,
      identity: event?.identity,
      held: item.kind === 'held' ? item : undefined,
      answer: undefined,
      countsAs: undefined,
      letGo: undefined,
    }
    if (item.kind === 'rejected') {
      const { kind: _kind, ...why } = item
      work.answer = { status: 'rejected', ...why }
      work.countsAs = 'rejected'
    }
    items.push(work)
  }
  return { member, outcome: undefined, items }
}

export function isOpen({ outcome }: Work): boolean {
  return outcome === undefined
}

/** Events of offers that are still to be taken and that nothing was found against. */
export function* undecided(works: readonly Work[]): Generator<EventWork> {
  for (const work of works) {
    if (!isOpen(work)) continue
    for (const item of work.items)
      if (isEvent(item) && item.answer === undefined && item.held === undefined) yield item
  }
}

/** Of an item that is one. */
export type EventWork = ItemWork & { readonly event: OfferedEvent }

function isEvent(item: ItemWork): item is EventWork {
  return item.event !== undefined
}

/** Where an item counts, and is held: its event's partition, and else the first. */
export function partitionFor(item: ItemWork): Partition {
  const { partitions, offer } = item.member
  const { by, count } = offer.stream.shards
  const shard = count === 1 ? 0 : shardOf(item, by, count)
  const partition = partitions[shard]
  if (partition === undefined)
    throw new Error(`stream "${offer.stream.streamId}" has no partition for shard ${shard}`)
  return partition
}

function shardOf({ event, identity }: ItemWork, by: 'key' | 'event-id', count: number): number {
  if (event === undefined || identity === undefined) return 0
  const hex = by === 'key' ? sha256Hex(event.partitionKey) : identity.eventId
  return Number.parseInt(hex.slice(0, SHARD_DIGITS), 16) % count
}

const SHARD_DIGITS = 12

export function partitionsOf(works: readonly Work[]): number[] {
  const ids = new Set<number>()
  for (const work of works.filter(isOpen))
    for (const item of work.items) {
      if (countsNowhere(item)) continue
      ids.add(partitionFor(item).id)
      if (item.letGo?.kind === 'released') ids.add(item.letGo.partitionId)
    }
  return [...ids].sort((a, b) => a - b)
}

/** It was counted before, and nothing has become of it now. */
export function countsNowhere({ letGo }: ItemWork): boolean {
  return letGo !== undefined && letGo.kind !== 'released'
}

export function released({ member, items, outcome }: Work) {
  if (outcome !== undefined) return []
  return items.flatMap(({ index, letGo, answer }) => {
    const release = member.offer.releases?.[index]
    if (release === undefined || letGo?.kind !== 'released') return []
    return [{ ...release, streamId: member.offer.stream.streamId, eventId: eventIdIn(answer) }]
  })
}

function eventIdIn(answer: ItemAnswer | undefined): string {
  if (answer?.status === 'accepted' || answer?.status === 'revision') return answer.eventId
  if (answer?.status === 'duplicate') return answer.of
  throw new Error(`an item leaves quarantine and became no event, but ${answer?.status ?? 'nothing'}`)
}

export function answeredUnderKey({ member, items, outcome }: Work) {
  const { idempotency } = member.offer
  return idempotency === undefined || outcome !== undefined
    ? []
    : [{ key: idempotency, items: answersOf(items) }]
}

export function outcomeOf({ outcome, items }: Work): AppendOutcome {
  return outcome ?? { kind: 'answered', items: answersOf(items), replayed: false }
}

function answersOf(items: readonly ItemWork[]): ItemAnswer[] {
  return items.map(({ answer, index }) => {
    if (answer === undefined) throw new Error(`item ${index} was neither taken nor refused`)
    return answer
  })
}
