import type { OutputAdmittedByTopic } from '@bsv/overlay'
import { LockingScript } from '@bsv/sdk'
import { readTransaction } from '../../contract/transaction.ts'
import { toHex } from '../../core/bytes.ts'
import { orThrow } from '../../core/fault.ts'
import { atomicBeefOf } from '../bsv/atomic-beef.ts'
import { numbersOf } from '../bsv/numbers.ts'
import type { Queryable } from '../postgres/sql.ts'
import type { HostedService } from './hosted.ts'
import { readAncestry } from './read-ancestry.ts'

export type StoredOutput = {
  readonly txid: string
  readonly vout: number
  readonly topic: string
  readonly raw: Uint8Array
  readonly values: Uint8Array | null
}

/** What a lookup service is told of an output that was admitted before: after an eviction, and on a reindex. */
export async function admittedOutput(
  { admissionMode }: Pick<HostedService, 'admissionMode'>,
  { txid, vout, topic, raw, values }: StoredOutput,
  db: Queryable,
): Promise<OutputAdmittedByTopic> {
  const place = { outputIndex: vout, topic, ...(values !== null && { offChainValues: numbersOf(values) }) }
  if (admissionMode === 'whole-tx') {
    const history = (await readAncestry(db, [txid])).historyOf(txid)
    if (history === undefined)
      throw new Error(`${txid} lacks a parent between two blocks; try again after the next one`)
    return { mode: 'whole-tx', ...place, atomicBEEF: atomicBeefOf(history) }
  }
  const output = orThrow(readTransaction(raw)).outputs[vout]
  if (output === undefined) throw new Error(`${txid} has no output ${vout}, which was admitted`)
  const lockingScript = LockingScript.fromHex(toHex(output.script))
  return { mode: 'locking-script', txid, ...place, satoshis: output.satoshis, lockingScript }
}
