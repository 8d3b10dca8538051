import { writeBeef } from '../../contract/beef.ts'
import { type History, readHistory } from '../fuel/read-history.ts'
import type { Queryable } from '../postgres/sql.ts'

/** A job in history form, as it is submitted to each of its agents. */
export type JobBeef = (jobTx: string) => Promise<Uint8Array>

/** A job of three seats is offered three times within a moment. */
const REMEMBERED_MAX = 128

export function openJobBeef(
  db: Queryable,
  read: (db: Queryable, txid: string) => Promise<History | undefined> = readHistory,
): JobBeef {
  const known = new Map<string, Promise<Uint8Array>>()

  const written = async (jobTx: string) => {
    const history = await read(db, jobTx)
    if (history === undefined)
      throw new Error(
        `the job ${jobTx} cannot be offered: an ancestor of it is not here; the next block brings it`,
      )
    return writeBeef(history.beef.transactions)
  }

  return jobTx => {
    const there = known.get(jobTx)
    if (there !== undefined) return there
    const beef = written(jobTx)
    known.set(jobTx, beef)
    // What failed is read again; and a block may have come since, so nothing is kept for long.
    beef.catch(() => known.delete(jobTx))
    const [oldest] = known.keys()
    if (known.size > REMEMBERED_MAX && oldest !== undefined) known.delete(oldest)
    return beef
  }
}
