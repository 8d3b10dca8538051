import type { Pool } from 'pg'
import { type Bump, readBump } from '../../contract/bump.ts'
import { proofOf, type SpvEnvelope } from '../../contract/spv-envelope.ts'
import { hashText, type Transaction } from '../../contract/transaction.ts'
import type { DlmVersion } from '../../core/certificate/dlm-version.ts'
import { orThrow } from '../../core/fault.ts'
import { sha256 } from '../../core/sha256.node.ts'
import type { Chain } from '../chain/chain.ts'
import { readStoredHeaders } from '../chain/read-headers.ts'
import { bytea, inTransaction, type Queryable } from '../postgres/sql.ts'

/** What others say of data sets, in transactions that they submit as JSON. Nothing here is certified by it. */
export type Declarations = {
  /** Resolves once it is written; a second time changes nothing but what is proven by then. */
  declare(declaration: Declaration): Promise<void>
  /** Which topics of this node have admitted outputs of the transaction, and which outputs. */
  admittedBy(txid: string, topics: readonly string[]): Promise<Record<string, readonly number[]>>
  /** The transaction with its proof, as an envelope; `pending` where no block of the best chain has it as far as is known. */
  envelopeOf(txid: string): Promise<SpvEnvelope | 'pending' | 'unknown'>
}

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
  readonly nowMs: number
}

export function openDeclarations(pool: Pool, chain: Pick<Chain, 'network' | 'rootAt' | 'tip'>): Declarations {
  return {
    declare: declaration =>
      inTransaction(pool, async db => {
        if (declaration.version !== undefined) await writeVersion(db, declaration.version, declaration.nowMs)
        await writeDeclaration(db, declaration)
      }),
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
      const header = await headerAt(pool, chain, height)
      const { height: tip } = await chain.tip()
      const block = {
        ...(header !== undefined && {
          blockHeader: Buffer.from(header).toString('hex'),
          blockHash: hashText(sha256(sha256(header))),
        }),
        blockHeight: height,
      }
      return { rawTx: row.raw.toString('hex'), txid, proof, block, confirmations: tip - height + 1 }
    },
  }
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

async function writeDeclaration(db: Queryable, declaration: Declaration): Promise<void> {
  const { transaction, kind, vout, version, proof, nowMs } = declaration
  const { txid } = transaction
  const envelope = proof && {
    proof: proofOf(proof, txid),
    block: { blockHeight: proof.height },
  }
  await db.query({
    name: 'declare',
    text: `insert into declarations (txid, version_id, kind, vout, raw, status, height, envelope, declared_ms)
      values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
      on conflict (txid) do update set version_id = coalesce(declarations.version_id, excluded.version_id),
        status = case when excluded.status = 'proven' then 'proven' else declarations.status end,
        height = coalesce(excluded.height, declarations.height),
        envelope = coalesce(excluded.envelope, declarations.envelope)`,
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
    ],
  })
}

/** Undefined where the headers are kept elsewhere, as by a node that follows another one's local chain. */
async function headerAt(
  pool: Pool,
  { network }: Pick<Chain, 'network'>,
  height: number,
): Promise<Uint8Array | undefined> {
  const header = await readStoredHeaders(pool, height, 1, network === 'local' ? 'chain_blocks' : 'headers')
  return header.length === 80 ? header : undefined
}
