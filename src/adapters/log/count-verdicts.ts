import type { Queryable } from '../postgres/sql.ts'

/** Of the events of one partition, or of all. */
export type Verdicts = {
  readonly certified: number
  readonly split: number
  /** Every other one that was accepted, also those that are in no packet yet. */
  readonly inFlight: number
}

/** How far the packets of a partition were followed, and the events in them. */
export type Followed = { readonly packets: number; readonly events: number }

/** One partition, as it stands now beside where it was followed to. */
export type VerdictRow = {
  readonly partitionId: number
  readonly streamId: string
  readonly partition: number
  readonly accepted: number
  /** Packets that have a standing, by what is written with it. */
  readonly packets: number
  /** Sequences before them, by their marks; null where the last one has no mark. */
  readonly markedSeq: number | null
  /** Standings found behind where it was followed to, and the events they say. */
  readonly newPackets: number
  readonly newEvents: number
  readonly split: number
  /** In packets that have a standing. */
  readonly unfinished: number
}

/**
 * What has become of accepted events; from where each partition was followed to, and a partition that is not known from
 * its beginning. Where nothing is known at all, it begins at what stands: what lies before that is for a recount.
 */
export async function readVerdicts(
  db: Queryable,
  known: ReadonlyMap<number, Followed> | undefined,
): Promise<VerdictRow[]> {
  const { rows } = await db.query<VerdictRow>({
    name: 'read-verdicts',
    text: verdicts,
    values: [
      JSON.stringify([...(known ?? [])].map(([id, { packets }]) => ({ id, packets }))),
      known === undefined,
    ],
  })
  return rows
}

/** How far it is followed now, with what has become of its events; or what does not fit, as a clause. */
export function follow(
  row: VerdictRow,
  before: Followed,
): { readonly followed: Followed; readonly verdicts: Verdicts } | string {
  const { accepted, packets, markedSeq, split, unfinished } = row
  const wanted = packets - before.packets
  if (row.newPackets !== wanted)
    return `of packets ${before.packets} to ${packets - 1}, ${row.newPackets} stand somewhere on the way to a certificate, and ${wanted} should`
  const events = before.events + row.newEvents
  if (markedSeq !== events)
    return `${events} events are in packets on the way to a certificate, and their marks end at sequence ${markedSeq}`
  if (split + unfinished > events)
    return `${split} events are split and ${unfinished} undecided, and there are only ${events} in packets`
  return {
    followed: { packets, events },
    verdicts: { certified: events - split - unfinished, split, inFlight: accepted - events + unfinished },
  }
}

/** What was never followed, at the first look. */
export function followedAtFirst({ packets, markedSeq }: VerdictRow): Followed {
  return { packets, events: markedSeq ?? 0 }
}

// Certified is for good, so that only what is neither certified nor followed yet is read: the longer a log, the less of it.
const verdicts = `
  with known as (
    select * from jsonb_to_recordset($1::jsonb) as known (id integer, packets bigint)
  ), undecided as (
    select partition_id, sum(split)::bigint as split, sum(unfinished)::bigint as unfinished from (
      select partition_id, events as split, 0 as unfinished from packet_standings
        where status = 'split' and version_id is null
      union all
      select partition_id, 0, events from packet_standings
        where status in ('sealed', 'open', 'unanchored', 'rebuilding') and version_id is null
    ) as packet group by partition_id
  )
  select opened.id as "partitionId", opened.stream_id as "streamId", opened.partition, head.next_seq as accepted,
      coalesce(reached.next_packet, 0) as packets,
      case when coalesce(reached.next_packet, 0) = 0 then 0 else mark.up_to_seq end as "markedSeq",
      coalesce(found.packets, 0)::bigint as "newPackets", coalesce(found.events, 0)::bigint as "newEvents",
      coalesce(undecided.split, 0) as split, coalesce(undecided.unfinished, 0) as unfinished
    from partitions as opened
    join partition_heads as head on head.partition_id = opened.id
    left join partition_rounds as reached on reached.partition_id = opened.id
    left join seal_marks as mark on mark.partition_id = opened.id and mark.packet_no = reached.next_packet - 1
    left join known on known.id = opened.id
    left join undecided on undecided.partition_id = opened.id
    left join lateral (
      select count(*) as packets, sum(standing.events) as events from packet_standings as standing
        where standing.partition_id = opened.id and not $2::boolean
          and standing.packet_no >= coalesce(known.packets, 0)
    ) as found on reached.next_packet > coalesce(known.packets, 0)
    order by opened.id`
