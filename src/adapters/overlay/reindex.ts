import type { OutputSpent } from '@bsv/overlay'
import { atomicBeefOf } from '../bsv/atomic-beef.ts'
import type { Queryable } from '../postgres/sql.ts'
import { admittedOutput } from './admitted-output.ts'
import type { HostedService } from './hosted.ts'
import { collectIndexWrites, type IndexWrite } from './index-writes.ts'
import { readAncestry } from './read-ancestry.ts'
import { runIndexWrites } from './run-index-writes.ts'

const OUTPUTS_AT_ONCE = 500

/**
 * Empties a lookup service's index and fills it again from what is admitted, in the order it was admitted. Resolves
 * with how many outputs it was told of. Nothing may be admitted meanwhile: run it while no node runs.
 */
export async function reindex(service: HostedService, db: Queryable): Promise<number> {
  if (service.reset === undefined)
    throw new Error('this lookup service does not say how its index is emptied')
  await service.reset()
  let told = 0
  for (let after = first; ; ) {
    const { rows } = await db.query<Row>({
      text: sql,
      values: [after.admitted_ms, after.txid, after.vout, after.topic, OUTPUTS_AT_ONCE],
    })
    const last = rows.at(-1)
    if (last === undefined) return told
    after = last
    for (const row of rows) await tell(service, row, db)
    told += rows.length
  }
}

type Row = {
  txid: Buffer
  vout: number
  topic: string
  admitted_ms: number
  raw: Buffer
  values: Buffer | null
  spender: Buffer | null
}

const first: Pick<Row, 'admitted_ms' | 'txid' | 'vout' | 'topic'> = {
  admitted_ms: -1,
  txid: Buffer.alloc(0),
  vout: -1,
  topic: '',
}

const sql = `
  select outputs.txid, outputs.vout, outputs.topic, outputs.admitted_ms, raw, off_chain_values.bytes as values, spender
    from outputs
    join transactions using (txid)
    -- A spender that never went before this topic is none that its services were told of.
    left join (coins join applied on applied.txid = coins.spender)
      on coins.txid = outputs.txid and coins.vout = outputs.vout and applied.topic = outputs.topic
    left join off_chain_values on off_chain_values.txid = outputs.txid and off_chain_values.topic = outputs.topic
    where (outputs.admitted_ms, outputs.txid, outputs.vout, outputs.topic) > ($1, $2, $3, $4)
    order by outputs.admitted_ms, outputs.txid, outputs.vout, outputs.topic limit $5`

async function tell(service: HostedService, row: Row, db: Queryable): Promise<void> {
  const txid = row.txid.toString('hex')
  const { vout, topic, spender } = row
  const admitted = await admittedOutput(service, { ...row, txid }, db)
  const spent =
    spender !== null &&
    (await spentOutput(service, { txid, outputIndex: vout, topic }, spender.toString('hex'), db))
  const writes: IndexWrite[] = []
  await collectIndexWrites(writes, async () => {
    await service.outputAdmittedByTopic(admitted)
    if (spent) await service.outputSpent?.(spent)
  })
  await runIndexWrites(db, writes, row.admitted_ms)
}

/** As the service wants to hear of it; which input it was, nothing here knows any more. */
async function spentOutput(
  { spendNotificationMode }: HostedService,
  place: { readonly txid: string; readonly outputIndex: number; readonly topic: string },
  spendingTxid: string,
  db: Queryable,
): Promise<OutputSpent> {
  if (spendNotificationMode === 'none') return { mode: 'none', ...place }
  if (spendNotificationMode === 'txid') return { mode: 'txid', ...place, spendingTxid }
  if (spendNotificationMode === 'script')
    throw new Error('a lookup service that wants the unlocking script of a spend cannot be built again')
  const history = (await readAncestry(db, [spendingTxid])).historyOf(spendingTxid)
  if (history === undefined)
    throw new Error(`${spendingTxid} lacks a parent between two blocks; try again later`)
  return { mode: 'whole-tx', ...place, spendingAtomicBEEF: atomicBeefOf(history) }
}
