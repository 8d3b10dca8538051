import { writeBeef } from '../../contract/beef.ts'
import { pathInRound } from '../../core/rounds/round.ts'
import type { FoundProofParts } from '../../serve/proof-parts.ts'
import type { RecentTransactions } from '../chain/recent-transactions.ts'
import { readHistory } from '../fuel/read-history.ts'
import { bytea, type Queryable } from '../postgres/sql.ts'

/** Of one moment where the caller's transaction is. Undefined where there is no packet of that id. */
export async function readProofParts(
  db: Queryable,
  packetId: string,
  recent?: RecentTransactions,
): Promise<FoundProofParts | undefined> {
  const { rows } = await db.query<Row>({
    name: 'certify-proof-parts',
    // Whoever lists it hears first that it was spent.
    text: `select packet.header, coalesce(became.state, 'received') as "packetState", written.*
      from packets as packet
        left join packet_states as became using (partition_id, packet_no)
        left join lateral (
          select encode(certificate.txid, 'hex') as txid, certificate.index, version.manifest as "manifestJson",
              round.attempt, fuel.proof, encode(coalesce(certificate.revoked_by, listed.spent_by), 'hex') as "revokedBy",
              case when listed.spent_by is not null and certificate.state in ('anchored', 'proven') then 'revoked'
                else certificate.state end as state,
              array(select encode(member.packet_id, 'hex') from round_members as member
                where member.round_id = certificate.round_id order by member.index) as "packetIds"
            from certificates as certificate join dlm_versions as version using (version_id)
              join rounds as round using (round_id)
              left join fuel_transactions as fuel on fuel.txid = certificate.txid
              left join gitdata_certificates as listed
                on listed.txid = certificate.txid and listed.vout = certificate.vout
            where certificate.packet_id = packet.packet_id and certificate.state <> 'dead'
            order by (certificate.state in ('anchored', 'proven') and listed.spent_by is null) desc,
              certificate.written_ms desc, certificate.txid limit 1) as written on true
      where packet.packet_id = $1`,
    values: [bytea(packetId)],
  })
  const [row] = rows
  if (row === undefined) return undefined
  if (row.txid === null) return { kind: 'uncertified', state: row.packetState }
  if (row.state === 'revoked') return { kind: 'revoked', txid: row.txid, revokedBy: row.revokedBy }
  if (row.state === 'written') return { kind: 'unanchored', txid: row.txid }
  const history = await readHistory(db, row.txid, recent)
  if (history === undefined || history.isEvicted) return { kind: 'unproven-history', txid: row.txid }
  const { txid, index, header, manifestJson, packetIds, attempt, proof } = row
  return {
    kind: 'parts',
    parts: {
      ...{ packetId, txid, header, manifestJson, index },
      beef: writeBeef(history.beef.transactions),
      bump: proof === null ? undefined : Uint8Array.from(proof),
      round: { count: packetIds.length, attempt },
      path: pathInRound(packetIds, index),
    },
  }
}

type Row = { readonly header: string; readonly packetState: string } & (
  | { readonly txid: null }
  | {
      readonly txid: string
      readonly state: 'written' | 'anchored' | 'proven' | 'revoked'
      readonly revokedBy: string | null
      readonly index: number
      readonly manifestJson: string
      readonly attempt: number
      readonly proof: Buffer | null
      readonly packetIds: string[]
    }
)
