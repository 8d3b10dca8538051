import type { Pool } from 'pg'
import { inTransaction } from '../postgres/sql.ts'
import type { Hosted } from './hosted.ts'
import { collectIndexWrites, type IndexWrite } from './index-writes.ts'
import { runIndexWrites } from './run-index-writes.ts'

/**
 * Has these lookup services forget an output, so that they no longer answer with it. What topics have admitted stands,
 * and a service that is indexed anew finds it again.
 */
export function evictOutput(
  pool: Pool,
  services: readonly Hosted['services'][string][],
  output: { readonly txid: string; readonly outputIndex: number },
  nowMs: number,
): Promise<void> {
  return inTransaction(pool, async db => {
    const writes: IndexWrite[] = []
    await collectIndexWrites(writes, async () => {
      for (const service of services) await service.outputEvicted(output.txid, output.outputIndex)
    })
    await runIndexWrites(db, writes, nowMs)
  })
}
