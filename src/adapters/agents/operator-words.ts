import type { Pool } from 'pg'
import { agentAdvertIn } from '../../contract/agent-advert.ts'
import { againstOperatorWord, type OperatorWord } from '../../contract/operator.ts'
import { readTransaction } from '../../contract/transaction.ts'
import type { Outpoint } from '../../core/rounds/pipeline.ts'
import { byteas, hexOf } from '../postgres/sql.ts'

export type OperatorWords = {
  /**
   * By outpoint, the operator's word in each of these adverts. Missing where it is not one that holds until the advert
   * expires, or where the transaction is gone.
   */
  of(adverts: readonly Advert[], nowMs: number): Promise<ReadonlyMap<string, OperatorWord>>
}

type Advert = Outpoint & { readonly outpoint: string; readonly agentKey: string; readonly expiresMs: number }

/** Each is read and checked once: an outpoint never says anything else. */
export function openOperatorWords(pool: Pool): OperatorWords {
  let known = new Map<string, OperatorWord | undefined>()

  async function readAll(adverts: readonly Advert[]): Promise<void> {
    if (adverts.length === 0) return
    const { rows } = await pool.query<{ txid: Buffer; raw: Buffer }>({
      name: 'agents-adverts',
      text: 'select txid, raw from transactions where txid = any ($1)',
      values: [byteas([...new Set(adverts.map(({ txid }) => txid))])],
    })
    const raws = new Map(rows.map(({ txid, raw }) => [hexOf(txid), raw]))
    for (const advert of adverts) {
      const raw = raws.get(advert.txid)
      known.set(advert.outpoint, raw && wordIn(raw, advert))
    }
  }

  return {
    async of(adverts, nowMs) {
      await readAll(adverts.filter(({ outpoint }) => !known.has(outpoint)))
      // What is not listed any more need not be remembered.
      known = new Map(adverts.map(({ outpoint }) => [outpoint, known.get(outpoint)]))
      const holding = new Map<string, OperatorWord>()
      for (const [outpoint, word] of known)
        if (word !== undefined && word.operatorFromMs <= nowMs) holding.set(outpoint, word)
      return holding
    },
  }
}

function wordIn(raw: Uint8Array, { vout, agentKey, expiresMs }: Advert): OperatorWord | undefined {
  const transaction = readTransaction(raw)
  const output = transaction.ok ? transaction.value.outputs[vout] : undefined
  const advert = output && agentAdvertIn(output.script)
  if (advert?.issuer !== agentKey) return undefined
  const { operator, operatorSig, operatorFromMs, operatorToMs } = advert.body
  const word = { operator, operatorSig, operatorFromMs, operatorToMs }
  return againstOperatorWord(word, agentKey, expiresMs) === undefined ? word : undefined
}
