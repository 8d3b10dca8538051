import type { Queryable } from '../postgres/sql.ts'
import type { Counted } from './count-on.ts'
import type { Verdicts } from './count-verdicts.ts'

/** What has become of the accepted events of a partition, by every packet of it; or what does not fit, as a clause. */
export async function recountVerdicts(
  db: Queryable,
  { partitionId, nextSeq }: Pick<Counted, 'partitionId' | 'nextSeq'>,
): Promise<Verdicts | string> {
  const misplaced = await findMisplaced(db, partitionId)
  if (misplaced !== undefined) return misplaced
  const { rows } = await db.query<Verdicts & { readonly undecided: number }>({
    name: 'recount-verdicts',
    text: `select coalesce(sum(events) filter (where version_id is not null), 0)::bigint as certified,
        coalesce(sum(events) filter (where version_id is null and status = 'split'), 0)::bigint as split,
        coalesce(sum(events) filter (where version_id is null and status <> 'split'), 0)::bigint as undecided
      from packet_standings where partition_id = $1`,
    values: [partitionId],
  })
  const { certified = 0, split = 0, undecided = 0 } = rows[0] ?? {}
  const followed = certified + split + undecided
  const markedSeq = await readMarkedSeq(db, partitionId)
  if (followed !== markedSeq)
    return `${certified} events are certified, ${split} split and ${undecided} undecided, and the marks of their packets end at sequence ${markedSeq}`
  return { certified, split, inFlight: nextSeq - certified - split }
}

async function readMarkedSeq(db: Queryable, partitionId: number): Promise<number> {
  const { rows } = await db.query<{ upToSeq: number }>({
    name: 'recount-marked-seq',
    text: `select up_to_seq as "upToSeq" from partition_rounds as reached
      join seal_marks as mark on mark.partition_id = reached.partition_id and mark.packet_no = reached.next_packet - 1
      where reached.partition_id = $1`,
    values: [partitionId],
  })
  return rows[0]?.upToSeq ?? 0
}

/** The first packet that is not where it should be, on its way to a certificate or at the end of it. */
async function findMisplaced(db: Queryable, partitionId: number): Promise<string | undefined> {
  const { rows } = await db.query<{ packetNo: number; wrong: string }>({
    name: 'recount-misplaced',
    text: `with judged as (
        select coalesce(packet.packet_no, standing.packet_no) as packet_no, case
          when packet.packet_no is null then 'is on the way to a certificate, and was never made'
          when standing.packet_no is null and packet.packet_no < reached.next_packet
            then 'stands nowhere on the way to a certificate, and packets behind it do'
          when standing.packet_no is null then null
          when coalesce(standing.packet_no >= reached.next_packet, true)
            then 'is on the way to a certificate, and nothing says that it has set out'
          when standing.packet_id <> packet.packet_id
            then 'is on the way to a certificate as ' || encode(standing.packet_id, 'hex') || ', and is '
              || encode(packet.packet_id, 'hex')
          when standing.events <> packet.count
            then 'is counted with ' || standing.events || ' events on the way to a certificate, and holds '
              || packet.count
          when standing.status = 'certified' and alive.version_id is null
            then 'is certified, and there is no certificate of it that counts'
          when standing.status = 'certified' and alive.version_id <> standing.version_id
            then 'is certified as ' || encode(standing.version_id, 'hex') || ', and its certificate says '
              || encode(alive.version_id, 'hex')
          end as wrong
        from (select * from packets where partition_id = $1) as packet
        full join (select * from packet_standings where partition_id = $1) as standing
          on standing.packet_no = packet.packet_no
        left join partition_rounds as reached on reached.partition_id = $1
        left join certificates as alive on alive.packet_id = standing.packet_id
          and alive.state in ('anchored', 'proven')
      )
      select packet_no as "packetNo", wrong from judged where wrong is not null order by packet_no limit 1`,
    values: [partitionId],
  })
  const [found] = rows
  return found && `packet ${found.packetNo} ${found.wrong}`
}
