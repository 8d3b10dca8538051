import type { Pool } from 'pg'
import { type Bump, readBump } from '../../contract/bump.ts'
import { proofOf, provenEnvelope, type SpvEnvelope } from '../../contract/spv-envelope.ts'
import type { Transaction } from '../../contract/transaction.ts'
import type { DlmVersion } from '../../core/certificate/dlm-version.ts'
import { orThrow } from '../../core/fault.ts'
import type { Chain } from '../chain/chain.ts'
import { readHeaderAt } from '../chain/read-headers.ts'
import { bytea, inTransaction, type Queryable } from '../postgres/sql.ts'
import { endOf, letGoUnproven, type UnprovenBounds, unprovenBounds } from './unproven.ts'

/** What others say of data sets, in transactions that they submit as JSON. Nothing here is certified by it. */
export type Declarations = {
  /** Resolves once it is written; a second time changes nothing but what is proven by then. */
  declare(declaration: Declaration): Promise<Declared>
  /** Which topics of this node have admitted outputs of the transaction, and which outputs. */
  admittedBy(txid: string, topics: readonly string[]): Promise<Record<string, readonly number[]>>
  /** The transaction with its proof, as an envelope; `pending` where no block of the best chain has it as far as is known. */
  envelopeOf(txid: string): Promise<SpvEnvelope | 'pending' | 'unknown'>
}

/** Full: there is no room for more that nothing proves, of this network or in all, before then. */
export type Declared = { readonly kind: 'written' } | { readonly kind: 'full'; readonly againMs: number }

export type DeclarationKind = 'DLM1' | 'TRN1' | 'UNKNOWN'

export type Declaration = {
  readonly transaction: Pick<Transaction, 'txid' | 'raw'>
  readonly kind: DeclarationKind
  /** Of the output that declares it. */
  readonly vout: number | undefined
  /** Undefined where the transaction does not say it. */
  readonly version: DlmVersion | undefined
  /** Whose path leads to a block of the best chain. */
  readonly proof: Bump | undefined
  /** Where it came from, as networkOf() spells it. */
  readonly network: string
  readonly nowMs: number
}

export function openDeclarations(
  pool: Pool,
  chain: Pick<Chain, 'network' | 'rootAt' | 'tip'>,
  bounds = unprovenBounds,
): Declarations {
  return {
    declare: declaration => inTransaction(pool, db => declare(db, declaration, bounds), oneAfterTheOther),
    async admittedBy(txid, topics) {
      const { rows } = await pool.query<{ topic: string; admitted: number[] }>({
        name: 'declaration-admitted',
        text: 'select topic, admitted from applied where txid = $1 and topic = any ($2) and admitted <> array[]::integer[]',
        values: [bytea(txid), topics],
      })
      return Object.fromEntries(rows.map(({ topic, admitted }) => [topic, admitted]))
    },
    async envelopeOf(txid) {
      const { rows } = await pool.query<Stored>({ name: 'declaration', text: stored, values: [bytea(txid)] })
      const [row] = rows
      if (row === undefined) return 'unknown'
      const bump = row.proof === null ? undefined : orThrow(readBump(row.proof))
      const proof = (bump && proofOf(bump, txid)) ?? row.envelope?.proof
      const height = bump?.height ?? row.envelope?.block.blockHeight
      if (proof === undefined || height === undefined) return 'pending'
      // A reorganisation takes proofs back, and what was written of them stays.
      if ((await chain.rootAt(height)) !== proof.merkleRoot) return 'pending'
      const header = await readHeaderAt(pool, chain, height)
      const { height: tipHeight } = await chain.tip()
      return provenEnvelope({ txid, raw: row.raw, proof, header, height, tipHeight })
    },
  }
}

/** So that two of them never take the same room, and what one lets go another does not build on. */
const oneAfterTheOther = {
  begin: `begin; select pg_advisory_xact_lock(hashtextextended('assay: declarations', 0))`,
} as const

async function declare(db: Queryable, declaration: Declaration, bounds: UnprovenBounds): Promise<Declared> {
  const { transaction, version, proof, network, nowMs } = declaration
  await letGoUnproven(db, nowMs)
  const bytes = transaction.raw.length + Buffer.byteLength(JSON.stringify(version?.manifest ?? ''))
  const end =
    proof === undefined ? await endOf(db, { txid: transaction.txid, network, bytes }, bounds, nowMs) : null
  if (typeof end === 'object' && end !== null) return { kind: 'full', againMs: end.againMs }
  if (version !== undefined) await writeVersion(db, version, nowMs)
  await writeDeclaration(db, declaration, { bytes, expiresMs: end })
  return { kind: 'written' }
}

type Stored = { readonly raw: Buffer; readonly envelope: SpvEnvelope | null; readonly proof: Buffer | null }

const stored = `
  select declarations.raw, envelope, coalesce(theirs.proof, ours.proof) as proof from declarations
    left join transactions as theirs using (txid) left join fuel_transactions as ours using (txid)
    where txid = $1`

/** What is certified by then stays so. */
async function writeVersion(db: Queryable, version: DlmVersion, nowMs: number): Promise<void> {
  const { versionId, datasetId, contentHash, producerKey, createdAt, manifest, parents } = version
  await db.query({
    name: 'declare-version',
    text: `insert into dlm_versions (version_id, standing, manifest, dataset_id, content_hash, producer_key, created_at, known_ms)
      values ($1, 'declared', $2, $3, $4, $5, $6, $7) on conflict do nothing`,
    values: [
      bytea(versionId),
      JSON.stringify(manifest),
      datasetId,
      bytea(contentHash),
      producerKey === null ? null : bytea(producerKey),
      createdAt,
      nowMs,
    ],
  })
  await db.query({
    name: 'declare-parents',
    text: `insert into dlm_parents (version_id, place, parent)
      select $1, place - 1, parent from unnest($2::bytea[]) with ordinality as given (parent, place) on conflict do nothing`,
    values: [bytea(versionId), parents.map(bytea)],
  })
}

async function writeDeclaration(
  db: Queryable,
  declaration: Declaration,
  { bytes, expiresMs }: { readonly bytes: number; readonly expiresMs: number | null },
): Promise<void> {
  const { transaction, kind, vout, version, proof, network, nowMs } = declaration
  const { txid } = transaction
  const envelope = proof && {
    proof: proofOf(proof, txid),
    block: { blockHeight: proof.height },
  }
  await db.query({
    name: 'declare',
    text: `insert into declarations (txid, version_id, kind, vout, raw, status, height, envelope, declared_ms, expires_ms,
        network, bytes)
      values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
      on conflict (txid) do update set version_id = coalesce(declarations.version_id, excluded.version_id),
        status = case when excluded.status = 'proven' then 'proven' else declarations.status end,
        height = coalesce(excluded.height, declarations.height),
        envelope = coalesce(excluded.envelope, declarations.envelope),
        expires_ms = case when excluded.expires_ms is null then null else declarations.expires_ms end`,
    values: [
      bytea(txid),
      version === undefined ? null : bytea(version.versionId),
      kind,
      vout ?? null,
      Buffer.from(transaction.raw),
      proof === undefined ? 'pending' : 'proven',
      proof?.height ?? null,
      envelope === undefined ? null : JSON.stringify(envelope),
      nowMs,
      ...[expiresMs, network, bytes],
    ],
  })
}
