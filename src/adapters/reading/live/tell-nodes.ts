import type { Pool } from 'pg'
import { numbers } from '../../postgres/sql.ts'

/** Partitions by number, never what is in them. */
export const RECEIVED_CHANNEL = 'assay_received'
export const PACKETS_CHANNEL = 'assay_packets'

export type TellNodes = {
  /** Something was appended to these here. */
  appended(partitionIds: readonly number[]): void
  /** Resolves once everything has been told. */
  stop(): Promise<void>
}

/** So often at most; an append itself tells nobody, as transactions that do wait for each other. */
const TELL_MS = 50
/** What a notice has room for; without numbers it is about all of them. */
const IDS_MAX = 500

/** Tells the other nodes on the database where something new is. Whoever is not told looks every second. */
export function openTellNodes(pool: Pool, onFailure: (error: unknown) => void): TellNodes {
  const untold = new Set<number>()
  let telling: Promise<void> | undefined
  let timer: NodeJS.Timeout | undefined
  let stopping = false
  const tell = async () => {
    const ids = [...untold]
    untold.clear()
    if (ids.length === 0) return
    try {
      await pool.query({
        name: 'live-tell-nodes',
        text: `select pg_notify('${RECEIVED_CHANNEL}', array_to_string($1::integer[], ' '))`,
        values: [numbers(ids.length > IDS_MAX ? [] : ids)],
      })
    } catch (error) {
      // They find out by themselves a little later.
      onFailure(error)
    }
  }
  const tellSoon = () => {
    timer ??= setTimeout(() => {
      telling = tell().finally(() => {
        timer = undefined
        // What came in meanwhile has nobody else who tells of it.
        if (untold.size > 0 && !stopping) tellSoon()
      })
    }, TELL_MS)
  }
  return {
    appended(partitionIds) {
      for (const id of partitionIds) untold.add(id)
      if (!stopping) tellSoon()
    },
    async stop() {
      stopping = true
      clearTimeout(timer)
      await telling
      await tell()
    },
  }
}

/** Undefined: all of them, or it cannot be read. */
export function readTold(payload: string): number[] | undefined {
  return /^\d{1,9}(?: \d{1,9})*$/.test(payload) ? payload.split(' ').map(Number) : undefined
}
