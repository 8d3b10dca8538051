import type { Pool } from 'pg'
import type { Stream } from '../../core/registry/stream.ts'
import { hexOf } from '../postgres/sql.ts'
import { FreshValues } from './fresh-values.ts'
import { REGISTRY_KEYS_MAX } from './open-registry.ts'
import { openRegistryEpoch } from './registry-epoch.ts'
import { settingsOf, streamRows } from './stream-rows.ts'

/** Without what is sealed with the master key, which whoever makes packets has no use for. */
export type StreamToSeal = Pick<Stream, 'operators' | 'audience' | 'readers' | 'latenessMs' | 'policyDigest'>

/** Streams as they were at most a second ago; undefined where there is none. */
export function openStreamsToSeal(
  pool: Pool,
  ageMsMax?: number,
): (streamId: string) => Promise<StreamToSeal | undefined> {
  const streams = new FreshValues<StreamToSeal>({
    epoch: openRegistryEpoch(pool, ageMsMax),
    keysMax: REGISTRY_KEYS_MAX,
    async read(ids) {
      const rows = await streamRows(pool, ids)
      return new Map(
        rows.map(row => {
          const open = () => ({ ...settingsOf(row), policyDigest: hexOf(row.policyDigest) })
          return [row.streamId, { version: row.version, open }] as const
        }),
      )
    },
  })
  return streamId => streams.get(streamId)
}
