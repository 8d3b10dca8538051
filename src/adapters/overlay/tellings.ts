import type { BeefTransaction } from '../../contract/beef.ts'
import type { Telling } from './admission-statement.ts'
import type { Judged, Judgement } from './judge.ts'
import type { Submission } from './submission.ts'
import { NETWORK, type Targets } from './targets.ts'

/**
 * Who is to be told of what: of every answer that is news, and the network of nothing that it has mined. A host is told of
 * the topics that it is a target of, and of no other. `isBroadcast`: somebody tells the network of the subject beside this.
 */
export function tellings(
  { applied, known }: Judged,
  { beef: { subject, byTxid }, topics }: Submission,
  { targets: { of }, isBroadcast }: { readonly targets: Targets; readonly isBroadcast: boolean },
): Telling[] {
  const news = applied.filter(({ transaction, topic, admitted }) => {
    const before = known.applied(transaction.txid, topic)
    return byTxid.has(transaction.txid) && (before === undefined || before.admitted.length < admitted.length)
  })
  const unproven = news.filter(({ transaction }) => transaction.proof === undefined)
  const told = (target: string, ofThese: readonly Judgement[], itsTopics: readonly string[]) =>
    lastOf(ofThese.map(({ transaction }) => transaction)).map(({ txid }) => ({
      txid,
      target,
      topics: itsTopics,
      afterMs: isBroadcast && target === NETWORK && txid === subject.txid ? BROADCAST_MS_MAX : 0,
    }))
  const topicsOf = new Map<string, string[]>()
  for (const topic of topics)
    for (const target of of(topic)) {
      const others = topicsOf.get(target)
      if (others === undefined) topicsOf.set(target, [topic])
      else others.push(topic)
    }
  return [
    ...told(NETWORK, unproven, topics),
    ...[...topicsOf].flatMap(([target, its]) =>
      told(
        target,
        news.filter(({ topic }) => its.includes(topic)),
        its,
      ),
    ),
  ]
}

/** So long whoever tells the network of the subject may take, before the outbox does it. */
const BROADCAST_MS_MAX = 5_000

/** Those that none of the others spends: whoever is told of one is told of all that it descends from. */
function lastOf(transactions: readonly BeefTransaction[]): BeefTransaction[] {
  const parents = new Set(transactions.flatMap(({ inputs }) => inputs.map(({ txid }) => txid)))
  return [...new Set(transactions)].filter(({ txid }) => !parents.has(txid))
}
