import { byteas, hexOf, numbers, type Queryable } from '../postgres/sql.ts'

/** Where a partition ends. Read under its lock, it is the truth until the transaction ends. */
export type Head = {
  readonly partitionId: number
  readonly streamId: string
  readonly partition: number
  readonly level: string
  readonly nextSeq: number
  readonly nextAppend: number
  readonly received: number
  readonly duplicate: number
  readonly rejected: number
  readonly quarantined: number
  readonly waived: number
  /** Greatest event time that counts for the watermark; null before the first event. */
  readonly eventMsMax: number | null
  readonly lastAppendedMs: number | null
  readonly nextPacket: number
  readonly sealedSeq: number
  readonly watermarkMs: number
  readonly unsealedBytes: number
  /** At least as many as what is unsealed has sources. */
  readonly unsealedSources: number
  readonly unsealedSinceMs: number | null
  readonly policyDigest: string | null
  readonly policyNo: number
  readonly constants: string | null
  readonly sealerToken: number
  /** Of the stream, now: who knows an older one is out of date. */
  readonly streamPolicyNo: number
}

/**
 * Locks them in ascending order, as everybody does, so that no two transactions wait for each other. `free`: only those that
 * nobody else has locked.
 */
export async function lockHeads(
  db: Queryable,
  partitionIds: readonly number[],
  which: 'all' | 'free' = 'all',
): Promise<Head[]> {
  const { rows } = await db.query<HeadRow>({
    name: `lock-heads-${which}`,
    text: `select ${columns} from partition_heads as head join partitions as opened on opened.id = head.partition_id
        join streams as stream on stream.stream_id = opened.stream_id
      where head.partition_id = any($1) order by head.partition_id
      for update of head ${which === 'free' ? 'skip locked' : ''}`,
    values: [partitionIds],
  })
  return rows.map(asHead)
}

const columns = `head.partition_id as "partitionId", opened.stream_id as "streamId", opened.partition, opened.level,
  head.next_seq as "nextSeq", head.next_append as "nextAppend", head.received, head.duplicate, head.rejected,
  head.quarantined, head.waived, head.event_ms_max as "eventMsMax", head.last_appended_ms as "lastAppendedMs",
  head.next_packet as "nextPacket", head.sealed_seq as "sealedSeq", head.watermark_ms as "watermarkMs",
  head.unsealed_bytes as "unsealedBytes", head.unsealed_since_ms as "unsealedSinceMs",
  head.unsealed_sources as "unsealedSources",
  head.policy_digest as "policyDigest", head.policy_no as "policyNo", head.constants,
  head.sealer_token as "sealerToken", stream.policy_no as "streamPolicyNo"`

type HeadRow = Omit<Head, 'policyDigest'> & { readonly policyDigest: Uint8Array | null }

function asHead({ policyDigest, ...row }: HeadRow): Head {
  return { ...row, policyDigest: policyDigest === null ? null : hexOf(policyDigest) }
}

export type MarkBecause = 'time' | 'size' | 'watermark' | 'policy' | 'window' | 'stop'

export type End = {
  readonly watermarkMs: number
  readonly policyDigest: string
  readonly rosterDigest: string
  readonly because: MarkBecause
  readonly nowMs: number
}

/** Ends a packet at the end of its partition, which the caller has locked. Returns the head as it is afterwards. */
export async function markEnd(db: Queryable, head: Head, end: End): Promise<Head> {
  await markEnds(db, [{ head, end }])
  return {
    ...head,
    nextPacket: head.nextPacket + 1,
    sealedSeq: head.nextSeq,
    watermarkMs: watermarkAt(head, end),
    unsealedBytes: 0,
    unsealedSources: 0,
    unsealedSinceMs: null,
  }
}

/** The packets themselves are made from the log later, by whoever seals the partitions. */
export async function markEnds(
  db: Queryable,
  ends: readonly { readonly head: Head; readonly end: End }[],
): Promise<void> {
  if (ends.length === 0) return
  const ofHeads = (of: (head: Head) => number) => numbers(ends.map(({ head }) => of(head)))
  await db.query({
    name: 'mark-ends',
    text: `with ended as (
        select * from unnest($1::integer[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bytea[], $7::bytea[],
            $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::text[], $14::bigint[])
          as ended (partition_id, packet_no, up_to_seq, up_to_append, watermark_ms, policy_digest, roster_digest,
            received, duplicate, rejected, quarantined, waived, because, marked_ms)),
      marked as (
        insert into seal_marks (partition_id, packet_no, up_to_seq, up_to_append, watermark_ms, policy_digest,
            roster_digest, received, duplicate, rejected, quarantined, waived, because, marked_ms)
          select * from ended)
      update partition_heads as head set next_packet = packet_no + 1, sealed_seq = up_to_seq,
        watermark_ms = ended.watermark_ms, unsealed_bytes = 0, unsealed_sources = 0, unsealed_since_ms = null
        from ended where head.partition_id = ended.partition_id`,
    values: [
      ofHeads(({ partitionId }) => partitionId),
      ofHeads(({ nextPacket }) => nextPacket),
      ofHeads(({ nextSeq }) => nextSeq),
      ofHeads(({ nextAppend }) => nextAppend),
      numbers(ends.map(({ head, end }) => watermarkAt(head, end))),
      byteas(ends.map(({ end }) => end.policyDigest)),
      byteas(ends.map(({ end }) => end.rosterDigest)),
      ofHeads(({ received }) => received),
      ofHeads(({ duplicate }) => duplicate),
      ofHeads(({ rejected }) => rejected),
      ofHeads(({ quarantined }) => quarantined),
      ofHeads(({ waived }) => waived),
      ends.map(({ end }) => end.because),
      numbers(ends.map(({ end }) => end.nowMs)),
    ],
  })
}

function watermarkAt(head: Head, end: End): number {
  return Math.max(head.watermarkMs, end.watermarkMs)
}

export { watermarkOf } from '../../core/log/watermark.ts'
