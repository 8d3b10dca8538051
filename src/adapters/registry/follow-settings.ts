import { accepted, type Fault, type Outcome } from '../../core/fault.ts'
import type { GivenSource } from '../../core/registry/given-sources.ts'
import type { SourceInput } from '../../core/registry/read-source.ts'
import { defaultsText } from '../../core/registry/stream-policy.ts'
import { type ChangeDeps, type Changing, changing } from './changing.ts'
import { putSourceIn } from './put-source.ts'
import { followSources } from './put-stream.ts'
import { addSecretIn, fingerprintOf } from './secrets.ts'
import { sourceRows } from './source-rows.ts'

/** Registers what settings give. What they gave before stays as it is, also where it was changed since. */
export async function followGivenSources(deps: ChangeDeps, given: readonly GivenSource[]): Promise<void> {
  for (const each of given) {
    const followed = await changing(deps, 'INGEST_SOURCES_JSON', change => followGiven(change, each))
    if (!followed.ok)
      throw new Error(`INGEST_SOURCES_JSON: source ${each.source.sourceId}: ${inWords(followed.fault)}`)
  }
}

async function followGiven(
  change: Changing,
  { source, secret, canonical }: GivenSource,
): Promise<Outcome<unknown>> {
  const { sourceId } = source
  const fingerprint = Buffer.from(
    fingerprintOf(change.masterKey, 'source-from-settings', sourceId, canonical),
  )
  const { rows } = await change.db.query<{ same: boolean }>({
    text: 'select fingerprint = $2 as same from sources_from_settings where source_id = $1',
    values: [sourceId, fingerprint],
  })
  if (rows[0]?.same === true) return accepted(undefined)

  const put = await putSourceIn(change, source)
  if (!put.ok) return put
  const added = secret === undefined ? put : await addSecretIn(change, sourceId, secret)
  if (!added.ok) return added
  await change.db.query({
    text: `insert into sources_from_settings (source_id, fingerprint) values ($1, $2)
      on conflict (source_id) do update set fingerprint = excluded.fingerprint`,
    values: [sourceId, fingerprint],
  })
  return accepted(undefined)
}

/** Gives streams without a policy of their own the one that settings give by now. */
export async function followDefaultPolicies(deps: ChangeDeps): Promise<void> {
  const { rows } = await deps.pool.query<{ streamId: string }>({
    text: `select stream_id as "streamId" from default_policies where settings <> $1
      order by stream_id collate "C"`,
    values: [defaultsText(deps.defaults)],
  })
  for (const { streamId } of rows) {
    const followed = await changing(deps, 'settings', change =>
      followSources(change, streamId, [], deps.defaults),
    )
    if (!followed.ok)
      throw new Error(
        `NORMALIZE_POLICY_JSON or FUSION_POLICY_JSON: ${inWords(followed.fault)}; give that stream a policy of its own`,
      )
  }
}

/** Makes sources that are not there. */
export async function provide(deps: ChangeDeps, sources: readonly SourceInput[]): Promise<void> {
  for (const source of sources) {
    const provided = await changing(deps, 'local network', async (change): Promise<Outcome<unknown>> => {
      const there = await sourceRows(change.db, [source.sourceId])
      return there.length > 0 ? accepted(undefined) : putSourceIn(change, source)
    })
    if (!provided.ok) throw new Error(`source ${source.sourceId}: ${inWords(provided.fault)}`)
  }
}

function inWords({ detail, pointer }: Fault): string {
  return pointer === undefined ? detail : `${pointer}: ${detail}`
}
