import type { AgentsIndex, ListedAgent } from '../../lookup-services/agents-index.ts'
import type { ListPosition } from '../../lookup-services/cursor.ts'
import type { HostAdvertEntry, HostAdvertsIndex } from '../../lookup-services/host-adverts-index.ts'
import type { UhrpEntry, UhrpIndex } from '../../lookup-services/uhrp-index.ts'
import { outpointText } from '../../src/contract/transaction.ts'
import type { Outpoint } from '../../src/core/rounds/pipeline.ts'

/* The shortest indexes that a host could write, and what others are compared with. */

export function inMemoryHostAdvertsIndex(now: () => number): HostAdvertsIndex {
  const listed = new Map<string, HostAdvertEntry & { readonly admittedMs: number }>()
  return {
    async put(advert) {
      const key = outpointText(advert)
      if (!listed.has(key)) listed.set(key, { ...advert, admittedMs: now() })
    },
    async remove(outpoint) {
      listed.delete(outpointText(outpoint))
    },
    async find({ kind, base, names, identityKey, order, limit, skip }) {
      const ofKind = [...listed.values()].filter(advert => advert.kind === kind)
      const owner = (advert: HostAdvertEntry) => `${advert.identityKey} ${advert.base} ${advert.name}`
      return latestOf(ofKind, owner, ({ admittedMs }) => [admittedMs])
        .filter(
          advert =>
            (base ?? advert.base) === advert.base &&
            (names ?? [advert.name]).includes(advert.name) &&
            (identityKey ?? advert.identityKey) === advert.identityKey,
        )
        .sort(inOrder(order, ({ admittedMs }) => [admittedMs]))
        .slice(skip, skip + limit)
        .map(({ txid, vout }) => ({ txid, vout }))
    },
  }
}

export function inMemoryUhrpIndex(): UhrpIndex {
  const listed = new Map<string, UhrpEntry>()
  return {
    async put(advert) {
      const key = outpointText(advert)
      if (!listed.has(key)) listed.set(key, advert)
    },
    async remove(outpoint) {
      listed.delete(outpointText(outpoint))
    },
    async find({ hash, outpoint, hostIdentityKey, expirySecondsMin, limit, skip }) {
      const all = [...listed.values()]
      const place = (advert: UhrpEntry) => `${advert.hostIdentityKey} ${advert.hash} ${advert.url}`
      const candidates =
        outpoint === undefined
          ? latestOf(all, place, ({ expirySeconds }) => [expirySeconds])
          : all.filter(advert => outpointText(advert) === outpointText(outpoint))
      return candidates
        .filter(
          advert =>
            (hash ?? advert.hash) === advert.hash &&
            (hostIdentityKey ?? advert.hostIdentityKey) === advert.hostIdentityKey &&
            advert.expirySeconds >= expirySecondsMin,
        )
        .sort(inOrder('desc', ({ expirySeconds }) => [expirySeconds]))
        .slice(skip, skip + limit)
        .map(({ txid, vout }) => ({ txid, vout }))
    },
  }
}

export function inMemoryAgentsIndex(now: () => number): AgentsIndex {
  const listed = new Map<string, ListedAgent & { spentBy: string | undefined }>()
  return {
    async put(advert) {
      const key = outpointText(advert)
      if (!listed.has(key))
        listed.set(key, { ...advert, admittedMs: now(), spent: false, spentBy: undefined })
    },
    async markSpent(outpoint, spendingTxid) {
      const advert = listed.get(outpointText(outpoint))
      if (advert !== undefined) advert.spentBy = spendingTxid
    },
    async markUnspent(outpoint, spendingTxid) {
      const advert = listed.get(outpointText(outpoint))
      if (advert?.spentBy === spendingTxid) advert.spentBy = undefined
    },
    async remove(outpoint) {
      listed.delete(outpointText(outpoint))
    },
    async find(query) {
      const all = [...listed.values()].map(
        ({ spentBy, ...advert }): ListedAgent => ({ ...advert, spent: spentBy !== undefined }),
      )
      const standing = all.filter(({ spent }) => !spent)
      const candidates =
        query.which === 'all'
          ? all
          : latestOf(
              standing,
              ({ agentKey }) => agentKey,
              ({ expiresMs, admittedMs }) => [expiresMs, admittedMs],
            )
      const { after, order } = query
      const sign = order === 'asc' ? 1 : -1
      const time = ({ admittedMs }: ListPosition) => [admittedMs]
      return candidates
        .filter(
          advert =>
            (query.agentKey ?? advert.agentKey) === advert.agentKey &&
            (query.operator ?? advert.operator) === advert.operator &&
            (query.region === undefined || query.region === advert.region) &&
            (query.capability === undefined || advert.capabilities.includes(query.capability)) &&
            advert.satoshisPerThousandEvents <= (query.maxPrice ?? Number.POSITIVE_INFINITY) &&
            advert.packetsMax >= (query.packets ?? 0) &&
            advert.bytesMax >= (query.bytes ?? 0) &&
            advert.expiresMs > (query.expiresAfterMs ?? -1),
        )
        .filter(advert => after === undefined || sign * compare(advert, after, time) > 0)
        .sort(inOrder(order, time))
        .slice(0, query.limit)
    },
  }
}

/** Of each group, the one that is greatest by these numbers, then by outpoint. */
function latestOf<T extends Outpoint>(
  list: readonly T[],
  group: (one: T) => string,
  by: (one: T) => number[],
): T[] {
  return list.filter(one => !list.some(other => group(other) === group(one) && compare(other, one, by) > 0))
}

function inOrder<T extends Outpoint>(order: 'asc' | 'desc', by: (one: T) => number[]) {
  return (a: T, b: T) => (order === 'asc' ? 1 : -1) * compare(a, b, by)
}

function compare<T extends Outpoint>(a: T, b: T, by: (one: T) => number[]): number {
  const others = by(b)
  const difference = by(a)
    .map((number, i) => number - (others[i] ?? 0))
    .find(number => number !== 0)
  if (difference !== undefined) return difference
  if (a.txid !== b.txid) return a.txid < b.txid ? -1 : 1
  return a.vout - b.vout
}
