import type { Outpoint, PipelineTransaction } from './pipeline.ts'

/**
 * Somebody signed two things of which only one can stand. Both are kept whole: the signatures are the proof,
 * and whoever holds them can check it alone.
 */
export type Equivocation =
  | {
      readonly kind: 'seat-answered-twice'
      readonly agentKey: string
      readonly jobOutpoint: Outpoint
      readonly txids: readonly string[]
      /** False: the same answer in another transaction, which still takes back the first. */
      readonly answersDiffer: boolean
    }
  | {
      readonly kind: 'certified-twice'
      readonly coordinator: string
      readonly packetId: string
      readonly txids: readonly string[]
    }

/** Results of one seat by its own agent; whichever of them the network has is the one that counts. */
export function seatsAnsweredTwice(transactions: Iterable<PipelineTransaction>): Equivocation[] {
  const bySeat = new Map<string, Result[]>()
  for (const { txid, role } of transactions) {
    if (role.kind !== 'result') continue
    const { jobOutpoint, agentKey, status, leaves } = role
    const seat = `${jobOutpoint.txid}:${jobOutpoint.vout} ${agentKey}`
    const results = bySeat.get(seat) ?? []
    if (!results.some(result => result.txid === txid))
      bySeat.set(seat, [...results, { txid, jobOutpoint, agentKey, answer: [status, ...leaves].join() }])
  }
  return [...bySeat.values()].flatMap(results => {
    const [first, ...others] = results
    if (first === undefined || others.length === 0) return []
    const { agentKey, jobOutpoint, answer } = first
    const answersDiffer = others.some(other => other.answer !== answer)
    const txids = results.map(result => result.txid).sort()
    return [{ kind: 'seat-answered-twice' as const, agentKey, jobOutpoint, txids, answersDiffer }]
  })
}

type Result = {
  readonly txid: string
  readonly agentKey: string
  readonly jobOutpoint: Outpoint
  readonly answer: string
}

/** A certificate for one packet whose transaction is alive and whose token is unspent. */
export type LiveCertificate = {
  readonly txid: string
  readonly coordinator: string
  readonly packetId: string
}

/** At most one certificate of a packet may be alive; a second one is spent at once, or is evidence. */
export function packetsCertifiedTwice(certificates: Iterable<LiveCertificate>): Equivocation[] {
  const byPacket = new Map<string, { coordinator: string; packetId: string; txids: Set<string> }>()
  for (const { txid, coordinator, packetId } of certificates) {
    const key = `${coordinator} ${packetId}`
    const known = byPacket.get(key) ?? { coordinator, packetId, txids: new Set() }
    known.txids.add(txid)
    byPacket.set(key, known)
  }
  return [...byPacket.values()]
    .filter(({ txids }) => txids.size > 1)
    .map(({ coordinator, packetId, txids }) => ({
      kind: 'certified-twice',
      coordinator,
      packetId,
      txids: [...txids].sort(),
    }))
}
