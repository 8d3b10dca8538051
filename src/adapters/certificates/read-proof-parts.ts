import { type Beef, writeBeef } from '../../contract/beef.ts'
import { pathInRound } from '../../core/rounds/round.ts'
import { readHistory } from '../fuel/read-history.ts'
import { bytea, type Queryable } from '../postgres/sql.ts'

/** What a proof of one certified packet is put together from; events and their paths come from the log and the output. */
export type ProofParts = {
  readonly txid: string
  /** Canonical. */
  readonly manifestJson: string
  /** The packet's header, canonical. */
  readonly header: string
  /** History form: the certificate last. */
  readonly beef: Uint8Array
  /** The certificate's own Merkle path; undefined until a block holds it. */
  readonly bump: Uint8Array | undefined
  readonly roundDocument: string
  readonly round: { readonly count: number; readonly attempt: number }
  /** Of the packet in its round. */
  readonly index: number
  readonly path: readonly string[]
}

/** Undefined where the packet has no certificate that counts, or its history cannot be had at the moment. */
export async function readProofParts(db: Queryable, packetId: string): Promise<ProofParts | undefined> {
  const { rows } = await db.query<Omit<ProofParts, 'beef' | 'bump' | 'round' | 'path'> & Row>({
    name: 'certify-proof-parts',
    text: `select encode(certificate.txid, 'hex') as txid, version.manifest as "manifestJson", packet.header,
        round.document as "roundDocument", round.attempt, certificate.index, fuel.proof,
        array(select encode(packet_id, 'hex') from round_members as member
          where member.round_id = certificate.round_id order by index) as "packetIds"
      from certificates as certificate join dlm_versions as version using (version_id)
        join rounds as round using (round_id)
        join fuel_transactions as fuel on fuel.txid = certificate.txid
        join packets as packet on packet.packet_id = certificate.packet_id
      where certificate.packet_id = $1 and certificate.state in ('anchored', 'proven')`,
    values: [bytea(packetId)],
  })
  const [row] = rows
  const history = row && (await readHistory(db, row.txid))
  if (row === undefined || history === undefined) return undefined
  const { packetIds, attempt, proof, ...parts } = row
  return {
    ...parts,
    beef: writeHistory(history.beef),
    bump: proof === null ? undefined : Uint8Array.from(proof),
    round: { count: packetIds.length, attempt },
    path: pathInRound(packetIds, row.index),
  }
}

type Row = { readonly packetIds: string[]; readonly attempt: number; readonly proof: Buffer | null }

function writeHistory({ transactions }: Beef): Uint8Array {
  return writeBeef(transactions)
}
