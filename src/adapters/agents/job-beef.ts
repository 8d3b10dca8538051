import { writeBeef } from '../../contract/beef.ts'
import type { Fuel } from '../fuel/fuel.ts'

/** A job in history form, as it is submitted to each of its agents. */
export type JobBeef = (jobTx: string) => Promise<Uint8Array>

/** A job of three seats is offered three times within a moment. */
const REMEMBERED_MAX = 128

export function openJobBeef(fuel: Pick<Fuel, 'history'>): JobBeef {
  const known = new Map<string, Promise<Uint8Array>>()

  const written = async (jobTx: string) => {
    const history = await fuel.history(jobTx)
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
