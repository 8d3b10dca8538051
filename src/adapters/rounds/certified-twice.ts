import type { Pool } from 'pg'
import { packetsCertifiedTwice } from '../../core/rounds/equivocation.ts'
import { bytea, type Queryable } from '../postgres/sql.ts'
import { type Evidence, writeEvidence } from './evidence.ts'

/** Of one page; a look goes on to the last of them. */
const PAGE = 500

/**
 * Takes down coordinators with two live certificates of one packet, of which one was admitted from `sinceMs` on. Each packet
 * once: who has certified it twice has done so, however many more follow.
 */
export async function noteCertifiedTwice(pool: Pool, sinceMs: number, nowMs: number): Promise<void> {
  let after: Place = { admittedMs: sinceMs, txid: '', vout: 0 }
  for (let found = PAGE; found === PAGE; ) {
    const page = await readPage(pool, after)
    const twice = packetsCertifiedTwice(page.flatMap(livePair))
    const evidence = twice.flatMap((each): Evidence[] => {
      if (each.kind !== 'certified-twice') return []
      const { kind, coordinator, packetId, txids } = each
      return [{ kind, about: [coordinator, packetId, ...txids], coordinator, packetId, txids }]
    })
    await writeEvidence(pool, evidence, nowMs)
    after = page.at(-1) ?? after
    found = page.length
  }
}

type Place = { readonly admittedMs: number; readonly txid: string; readonly vout: number }

type Admitted = Place & {
  readonly coordinator: string
  readonly packetId: string
  /** Another live certificate of the same packet that nobody has taken down yet. */
  readonly other: string | null
}

function livePair({ txid, other, coordinator, packetId }: Admitted) {
  return other === null ? [] : [txid, other].map(each => ({ txid: each, coordinator, packetId }))
}

async function readPage(db: Queryable, { admittedMs, txid, vout }: Place): Promise<Admitted[]> {
  const { rows } = await db.query<Admitted>({
    name: 'rounds-certified-twice',
    text: `select listed.admitted_ms as "admittedMs", encode(listed.txid, 'hex') as txid, listed.vout,
        encode(listed.coordinator, 'hex') as coordinator, encode(listed.packet_id, 'hex') as "packetId",
        encode(twin.txid, 'hex') as other
      from gitdata_certificates as listed
      left join lateral (
        select other.txid from gitdata_certificates as other
          where other.packet_id = listed.packet_id and other.coordinator = listed.coordinator
            and other.txid <> listed.txid and listed.spent_by is null and other.spent_by is null
            and not exists (select from evidence as known where known.packet_id = listed.packet_id
              and known.coordinator = listed.coordinator and known.kind = 'certified-twice')
          order by other.admitted_ms, other.txid, other.vout limit 1) as twin on true
      where (listed.admitted_ms, listed.txid, listed.vout) > ($1::bigint, $2::bytea, $3::bigint)
      order by listed.admitted_ms, listed.txid, listed.vout limit $4`,
    values: [admittedMs, bytea(txid), vout, PAGE],
  })
  return rows
}
