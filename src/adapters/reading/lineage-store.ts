import type { Pool } from 'pg'
import { readBump } from '../../contract/bump.ts'
import { baseTopics } from '../../contract/names.ts'
import { proofOf, spvEnvelope } from '../../contract/spv-envelope.ts'
import { readKnownManifest } from '../../core/certificate/dlm-version.ts'
import { orThrow } from '../../core/fault.ts'
import type { Reader } from '../../core/registry/may-read.ts'
import { openInTurn } from '../../runtime/in-turn.ts'
import type { BundleDeps } from '../../serve/lineage/bundle.ts'
import type { ReadVersions } from '../../serve/lineage/collect-lineage.ts'
import type { Carrier, FullCarrier, KnownVersion } from '../../serve/lineage/known-version.ts'
import type { ReadinessDeps } from '../../serve/lineage/readiness.ts'
import { bytea, byteas, inTransaction, type Queryable } from '../postgres/sql.ts'
import {
  bestFirst,
  carriersOf,
  knownVersions,
  mayBeKnown,
  ownLog,
  proofsOf,
  successorsOf,
} from './lineage-sql.ts'
import type { Manifest, ManifestMemory } from './manifest-memory.ts'
import { readerValues } from './readable.ts'

export type LineageStore = {
  /** With what it remembers of manifests; who may read what, and how things stand, is asked each time. */
  versionsFor(reader: Reader): { readonly read: ReadVersions; wasRemembered(): boolean }
  readonly readCarriers: BundleDeps['readCarriers']
  readonly readWhole: BundleDeps['readWhole']
  readonly readSupersessions: BundleDeps['readSupersessions']
  lineageFor(reader: Reader): ReadinessDeps['readLineage']
}

/** Each holds a connection until it has ended: the others of the pool are for shorter questions. */
const WALKS_AT_ONCE_MAX = 2

export function openLineageStore(pool: Pool, memory: ManifestMemory): LineageStore {
  const inTurn = openInTurn(WALKS_AT_ONCE_MAX)
  return {
    versionsFor(reader) {
      let [found, misses] = [0, 0]
      return {
        async read(versionIds) {
          const rows = await readKnown(pool, versionIds, reader)
          const remembered = rows.flatMap(({ versionId }) => memory.get(versionId) ?? [])
          const here = new Set(remembered.map(({ version }) => version.versionId))
          const absent = rows.filter(({ versionId }) => !here.has(versionId))
          found += rows.length
          misses += absent.length
          const read = await readManifests(pool, absent)
          for (const each of read) memory.keep(each)
          const manifests = new Map([...remembered, ...read].map(each => [each.version.versionId, each]))
          return new Map(rows.flatMap(row => entryOf(row, manifests)))
        },
        wasRemembered: () => found > 0 && misses === 0,
      }
    },
    readCarriers: versionIds => readCarriers(pool, versionIds),
    readWhole: carrier => readWhole(pool, carrier),
    readSupersessions: versionIds => readSupersessions(pool, versionIds),
    lineageFor: reader => (versionId, limit, tell) =>
      inTurn(() => readLineage(pool, versionId, { limit, reader, tell })),
  }
}

type KnownRow = {
  readonly versionId: string
  readonly standing: KnownVersion['standing']
  readonly foreignTx: string | null
}

async function readKnown(db: Queryable, versionIds: readonly string[], reader: Reader): Promise<KnownRow[]> {
  const { rows } = await db.query<KnownRow>({
    name: 'lineage-known',
    text: `select encode(asked.version_id, 'hex') as "versionId",
        coalesce(version.standing, 'certified') as standing,
        encode(theirs.foreign_tx, 'hex') as "foreignTx"
      from unnest($1::bytea[]) as asked (version_id) ${knownVersions}
      where ${mayBeKnown(2)}`,
    values: [byteas(versionIds), ...readerValues(reader)],
  })
  return rows
}

function entryOf(
  { versionId, standing }: KnownRow,
  manifests: ReadonlyMap<string, Manifest>,
): [string, KnownVersion & { bytes: number }][] {
  const manifest = manifests.get(versionId)
  // Beside somebody else's certificate anything may have come along.
  return manifest === undefined ? [] : [[versionId, { ...manifest, standing }]]
}

async function readManifests(db: Queryable, rows: readonly KnownRow[]): Promise<Manifest[]> {
  if (rows.length === 0) return []
  const { rows: stored } = await db.query<{ versionId: string; manifest: string }>({
    name: 'lineage-manifests',
    text: `select encode(version_id, 'hex') as "versionId", manifest from dlm_versions where version_id = any ($1)`,
    values: [byteas(rows.map(({ versionId }) => versionId))],
  })
  const found = stored.map(({ versionId, manifest }) => hashed(versionId, manifest))
  const missing = rows.filter(({ versionId }) => !stored.some(each => each.versionId === versionId))
  for (const txid of new Set(missing.flatMap(({ foreignTx }) => foreignTx ?? []))) {
    const wanted = new Set(missing.map(({ versionId }) => versionId))
    for (const line of await readLinesBeside(db, txid)) {
      const read = readKnownManifest(line)
      if (read.ok && wanted.has(read.value.versionId)) found.push({ version: read.value, bytes: line.length })
    }
  }
  return found
}

/** What is given away as a version was hashed here. */
function hashed(versionId: string, manifest: string): Manifest {
  const version = orThrow(readKnownManifest(manifest))
  if (version.versionId !== versionId)
    throw new Error(`the manifest stored for ${versionId} hashes to ${version.versionId}`)
  return { version, bytes: manifest.length }
}

async function readLinesBeside(db: Queryable, txid: string): Promise<string[]> {
  const { rows } = await db.query<{ bytes: Buffer }>({
    name: 'lineage-beside',
    text: 'select bytes from off_chain_values where txid = $1 and topic = $2',
    values: [bytea(txid), baseTopics.certified],
  })
  return (rows[0]?.bytes.toString('utf8') ?? '').split('\n').filter(line => line !== '')
}

type CarrierRow = Omit<Carrier, 'block'> & { readonly height: number | null; readonly root: string | null }

/** Of each version the best of those that may prove it, and of those that cannot any more. */
const CARRIERS_MAX = 8

async function readCarriers(db: Queryable, versionIds: readonly string[]): Promise<Map<string, Carrier[]>> {
  const { rows } = await db.query<CarrierRow>({
    name: 'lineage-carriers',
    text: `select encode(asked.version_id, 'hex') as "versionId", encode(best.txid, 'hex') as txid, best.vout::int as vout,
        best.state, encode(best.revoked_by, 'hex') as "revokedBy", encode(best.coordinator, 'hex') as coordinator,
        best.height::int as height, best.root
      from unnest($1::bytea[]) with ordinality as asked (version_id, place) ${ownLog} cross join lateral (
          select carrier.*, proven.height, proven.root, row_number() over (
              partition by state in ('revoked', 'dead', 'written') order by ${bestFirst}) as rank
            from (${carriersOf}) as carrier left join lateral (${proofsOf}) as proven on true) as best
      where best.rank <= $2
      order by place, ${bestFirst}`,
    values: [byteas(versionIds), CARRIERS_MAX],
  })
  const grouped = new Map<string, Carrier[]>()
  for (const { height, root, ...said } of rows) {
    const carrier = { ...said, block: height === null || root === null ? null : { height, root } }
    const group = grouped.get(said.versionId)
    if (group === undefined) grouped.set(said.versionId, [carrier])
    else group.push(carrier)
  }
  return grouped
}

/** Its transaction, where that is not longer than there is room for, with the proof of the block that it names. */
async function readWhole(
  db: Queryable,
  { carrier, bytesMax }: { readonly carrier: Carrier; readonly bytesMax: number },
): Promise<FullCarrier | 'too-long' | undefined> {
  const { txid, block } = carrier
  if (block === null) return undefined
  const { rows } = await db.query<{ raw: Buffer | null; proof: Buffer | null; envelope: unknown }>({
    name: 'lineage-whole',
    // How long a value is can be told without reading it.
    text: `select case when octet_length(stored.raw) <= $4 then stored.raw end as raw, proven.proof, proven.envelope
      from (select $1::bytea as txid) as carrier
        cross join lateral (
          select raw from fuel_transactions as ours where ours.txid = carrier.txid
          union all select raw from transactions as theirs where theirs.txid = carrier.txid
          union all select raw from declarations as declaration where declaration.txid = carrier.txid
          limit 1) as stored
        cross join lateral (${proofsOf}) as proven
      where proven.height = $2 and proven.root = $3 limit 1`,
    values: [bytea(txid), block.height, block.root, bytesMax],
  })
  const [row] = rows
  if (row === undefined) return undefined
  if (row.raw === null) return 'too-long'
  const proof =
    row.proof === null
      ? spvEnvelope.shape.proof.safeParse(row.envelope).data
      : proofOf(orThrow(readBump(row.proof)), txid)
  return { ...carrier, raw: row.raw, proof }
}

async function readSupersessions(
  db: Queryable,
  versionIds: readonly string[],
): Promise<{ versionId: string; by: string }[]> {
  const { rows } = await db.query<{ versionId: string; by: string }>({
    name: 'lineage-supersessions',
    text: `select distinct encode(asked.version_id, 'hex') as "versionId", encode(after.version_id, 'hex') as by
      from unnest($1::bytea[]) as asked (version_id) ${ownLog} cross join lateral (${successorsOf}) as after
      order by 1, 2 limit $2`,
    values: [byteas(versionIds), SUPERSESSIONS_MAX],
  })
  return rows
}

const SUPERSESSIONS_MAX = 1000

/** So many are looked at together. */
const LINEAGE_PAGE = 2_000

/**
 * Structure first, as far as the bound goes, and of some at a time how each stands: however long it is, little of it is here
 * at once. Links come from manifests that were hashed when they were written; a version is gone to once, whatever they say.
 * What may not be known of is gone no further from: how long its lineage is would tell that it is there.
 */
async function readLineage(
  pool: Pool,
  versionId: string,
  { limit, reader, tell }: LineageAsked,
): Promise<void> {
  const step = (asked: string) => `select asked.version_id, ${mayBeKnown(3)},
      case when version.version_id is null then theirs.parents end
    from ${asked} ${knownVersions}`
  await inTransaction(
    pool,
    async db => {
      await db.query({
        text: `declare lineage_walk no scroll cursor for
          with recursive lineage (version_id, is_known, parents) as (
            ${step('(select $1::bytea as version_id) as asked')}
            union
            ${step(`(
              select link.parent as version_id from lineage cross join lateral (
                select parent from dlm_parents where dlm_parents.version_id = lineage.version_id
                union all select unnest(lineage.parents)
              ) as link where lineage.is_known
            ) as asked`)}
          )
          select encode(version_id, 'hex') as "versionId", is_known as "isKnown" from lineage limit $2`,
        values: [bytea(versionId), limit, ...readerValues(reader)],
      })
      for (let isFirst = true; ; isFirst = false) {
        const { rows } = await db.query<{ versionId: string; isKnown: boolean }>(
          `fetch ${LINEAGE_PAGE} from lineage_walk`,
        )
        // What is not there for whoever asks has no lineage either.
        if (rows.length === 0 || (isFirst && rows[0]?.isKnown !== true)) return
        const known = rows.flatMap(each => (each.isKnown ? [each.versionId] : []))
        const carriers = await readCarriers(db, known)
        tell(rows.map(each => ({ ...each, carriers: carriers.get(each.versionId) ?? [] })))
      }
    },
    { begin: 'begin transaction read only' },
  )
}

type LineageAsked = {
  readonly limit: number
  readonly reader: Reader
  readonly tell: Parameters<ReadinessDeps['readLineage']>[2]
}
