import { AsyncLocalStorage } from 'node:async_hooks'

/**
 * What a lookup service's index takes in with an admission. It is written by the statement that records the
 * admission, so that the two can never disagree, however a process ends.
 */
export type IndexWrite = {
  /** The table. Where a submission brings one index several kinds of statements, they run one after the other. */
  readonly index: string
  /**
   * One insert, update or delete, idempotent. It reads its rows from the parameter `$rows` (a JSON array, through
   * jsonb_to_recordset) and may use `$now`, milliseconds: when the submission is admitted, the same on a reindex.
   */
  readonly sql: string
  readonly row: Readonly<Record<string, string | number | boolean | null>>
}

const collecting = new AsyncLocalStorage<IndexWrite[]>()

/** For index adapters: adds to what will be written with the admission that is being judged right now. */
export function writeWithAdmission(write: IndexWrite): void {
  const writes = collecting.getStore()
  if (writes === undefined) throw new Error('an index is written only while a submission is judged')
  writes.push(write)
}

/** Runs `judge`; whatever indexes write meanwhile lands in `writes`. */
export function collectIndexWrites<T>(writes: IndexWrite[], judge: () => Promise<T>): Promise<T> {
  return collecting.run(writes, judge)
}
