import { operatorWord, readToken } from '../../contract/tokens.ts'
import { outpointText, readTransaction } from '../../contract/transaction.ts'
import { accepted, type Outcome, refused } from '../../core/fault.ts'
import type { Outpoint } from '../../core/rounds/pipeline.ts'
import type { Queryable } from '../postgres/sql.ts'

/** Whether this agent holds the seat at this outpoint, and whose job it is: the one who may read what it uploads. */
export type MayUpload = (jobOutpoint: Outpoint, agentKey: string) => Promise<Outcome<Seat>>
export type Seat = { readonly coordinator: string; readonly outputBytesMax: number }

/** Judged by what a topic of this node has admitted. */
export function seatInOverlay(db: Queryable): MayUpload {
  return async (jobOutpoint, agentKey) => {
    const { rows } = await db.query<{ raw: Buffer }>({
      name: 'uhrp-seat',
      text: `select raw from transactions where txid = decode($1, 'hex')
        and exists (select from outputs where txid = decode($1, 'hex') and vout = $2)`,
      values: [jobOutpoint.txid, jobOutpoint.vout],
    })
    const transaction = rows[0] && readTransaction(rows[0].raw)
    const output = transaction?.ok ? transaction.value.outputs[jobOutpoint.vout] : undefined
    const token = output && readToken(output.script)
    const job = token?.ok && token.value.tag === 'GDJ1' ? token.value : undefined
    if (job === undefined || operatorWord(job.body) === undefined || job.body.agentKey !== agentKey)
      return refused(
        'not-admitted',
        `no topic of this node has admitted ${outpointText(jobOutpoint)} as a seat of agent ${agentKey}; submit the job first, or upload to the node of its coordinator`,
      )
    return accepted({ coordinator: job.issuer, outputBytesMax: job.body.outputBytesMax })
  }
}
