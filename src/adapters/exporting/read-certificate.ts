import type { Pool } from 'pg'
import type { CertificateRecord } from '../../contract/audit/records.ts'
import { type Beef, writeBeef } from '../../contract/beef.ts'
import { readBump, trimBump, writeBump } from '../../contract/bump.ts'
import { FaultError } from '../../core/fault.ts'
import type { RecentTransactions } from '../chain/recent-transactions.ts'
import { readHistory } from '../fuel/read-history.ts'
import { bytea, inTransaction, type Queryable } from '../postgres/sql.ts'
import { readableSql, readerValues } from '../reading/readable.ts'
import type { ExportReader } from './export-reader.ts'

/** A certificate as it is stored, with all that it descends from, of one moment. */
export async function readCertificateRecord(
  pool: Pool,
  reader: ExportReader,
  txid: string,
  recent: RecentTransactions,
): Promise<CertificateRecord> {
  return inTransaction(
    pool,
    async db => {
      const stored = await readStored(db, reader, txid)
      const beef = await readBeefOf(db, txid, recent)
      return {
        kind: 'certificate',
        txid,
        beef: beef === undefined ? null : writeBeef(beef.transactions),
        raw: beef === undefined ? (stored?.raw ?? null) : null,
        block: stored?.proof == null ? null : ownPath(txid, stored.proof),
        document: stored?.document ?? null,
      }
    },
    { begin: 'begin isolation level repeatable read read only' },
  )
}

type Stored = { readonly raw: Buffer | null; readonly proof: Buffer | null; readonly document: string | null }

async function readStored(db: Queryable, reader: ExportReader, txid: string): Promise<Stored | undefined> {
  const { rows } = await db.query<Stored>({
    name: 'export-certificate',
    // A document tells of all packets of its round: it is for whoever may read every one of them.
    text: `select fuel.raw, fuel.proof, (
        select round.document from certificates as mine join rounds as round using (round_id)
          where mine.txid = $4 and ($3 or not exists (
            select from round_members as member join packets as made on made.packet_id = member.packet_id
              join partitions as opened on opened.id = made.partition_id
              join streams as stream on stream.stream_id = opened.stream_id
              where member.round_id = round.round_id and not ${readableSql('stream', 1)})) limit 1) as document
      from (select $4::bytea as txid) as wanted left join fuel_transactions as fuel using (txid)`,
    values: [...readerValues(reader === 'operator' ? undefined : reader), reader === 'operator', bytea(txid)],
  })
  return rows[0]
}

/** Undefined where something of it is not there, or is no transaction any more. */
async function readBeefOf(
  db: Queryable,
  txid: string,
  recent: RecentTransactions,
): Promise<Beef | undefined> {
  try {
    return (await readHistory(db, txid, recent))?.beef
  } catch (error) {
    if (error instanceof FaultError) return undefined
    throw error
  }
}

/** Whoever sent the proof may have put the paths of others into it. */
function ownPath(txid: string, proof: Buffer): Uint8Array {
  const bump = readBump(Uint8Array.from(proof))
  return bump.ok ? writeBump(trimBump(bump.value, new Set([txid]))) : Uint8Array.from(proof)
}
