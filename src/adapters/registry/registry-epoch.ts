import type { Queryable } from '../postgres/sql.ts'

export const REGISTRY_AGE_MS_MAX = 1000

/**
 * The epoch of the registry, as it was at most so long ago: as long as it is the same, nothing has changed. One reading
 * answers all who wait, and where nobody asks, nothing is read.
 */
export function openRegistryEpoch(db: Queryable, ageMsMax = REGISTRY_AGE_MS_MAX): () => Promise<number> {
  let known: { readonly epoch: number; readonly asOfMs: number } | undefined
  let underWay: Promise<number> | undefined
  const read = async () => {
    const asOfMs = performance.now()
    const epoch = await readEpoch(db)
    known = { epoch, asOfMs }
    return epoch
  }
  const readOnce = () => {
    underWay ??= read().finally(() => {
      underWay = undefined
    })
    return underWay
  }
  return async () => {
    if (known === undefined) return readOnce()
    const ageMs = performance.now() - known.asOfMs
    if (ageMs > ageMsMax) return readOnce()
    // Read again before it is too old: whoever asks often never waits. Those who come too late hear of a failure.
    if (ageMs > ageMsMax / 2) readOnce().catch(() => undefined)
    return known.epoch
  }
}

async function readEpoch(db: Queryable): Promise<number> {
  const { rows } = await db.query<{ epoch: number }>({
    name: 'registry-epoch',
    text: 'select epoch from registry_epoch where one',
  })
  const [row] = rows
  if (row !== undefined) return row.epoch
  throw new Error(
    'registry_epoch has lost its row, and changes of sources and streams would not be seen: insert into registry_epoch (epoch) values (0), and restart the nodes',
  )
}
