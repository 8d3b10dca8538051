import { canonicalJson } from '../../core/canonical-json.ts'
import { accepted, type Outcome, orThrow } from '../../core/fault.ts'
import type { SourceInput } from '../../core/registry/read-source.ts'
import { readStream } from '../../core/registry/read-stream.ts'
import { type ChangeDeps, type Changing, changing, type Put } from './changing.ts'
import { noteOperatorsWord } from './operators-word.ts'
import { ensureStreamIn, followSources } from './put-stream.ts'
import { recordChange } from './record-change.ts'
import { registeredSource, sourceRows, writeSource } from './source-rows.ts'

/**
 * Makes the source, or makes it what is given; its streams are made where they are missing. Its policy goes into the
 * policy sets of its streams, in the same transaction: what is in force is what they say.
 */
export function putSource(
  deps: ChangeDeps,
  source: SourceInput,
  who: string,
): Promise<Outcome<Put<SourceInput>>> {
  return changing(deps, who, change => putSourceIn(change, source))
}

export async function putSourceIn(change: Changing, source: SourceInput): Promise<Outcome<Put<SourceInput>>> {
  const { db, by } = change
  const { sourceId, streams } = source
  const [row] = await sourceRows(db, [sourceId])
  const before = row && registeredSource(row)
  const isSame = before !== undefined && canonicalJson(before) === canonicalJson(source)
  if (!isSame) await writeSource(db, source, by.atMs)

  for (const streamId of streams) {
    const made = await ensureStreamIn(change, plainStream(streamId, source, change))
    if (!made.ok) return made
  }
  for (const streamId of new Set([...streams, ...(before?.streams ?? [])])) {
    const isGone =
      before?.policy !== undefined && !(streams.includes(streamId) && source.policy !== undefined)
    const followed = await followSources(change, streamId, isGone ? [sourceId] : [])
    if (!followed.ok) return followed
  }
  const { enabled: isOn, limits } = source
  const word = await noteOperatorsWord(change, 'source', sourceId, { isOn, limits })
  if (isSame && word === undefined) return accepted({ did: 'nothing', value: source })

  const did = before === undefined ? 'created' : 'changed'
  await recordChange(
    db,
    {
      kind: 'source',
      subject: sourceId,
      what: did,
      became: { ...source, ...word },
      ...(before !== undefined && { was: before }),
    },
    by,
  )
  return accepted({ did, value: source })
}

/** Followed under the source's topics from the first event on; from then on they are the stream's own. */
function plainStream(
  streamId: string,
  { tenantId, overlayTopics }: SourceInput,
  { levelByDefault }: Pick<Changing, 'levelByDefault'>,
) {
  const said = { streamId, topics: [...overlayTopics], ...(tenantId !== undefined && { tenantId }) }
  return orThrow(readStream(said, levelByDefault))
}
