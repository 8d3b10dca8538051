import type { Queryable } from '../../src/adapters/postgres/sql.ts'

/** What was written, for questions about it. */
export type Preloaded = {
  readonly events: number
  readonly streams: number
  /** Of the last stream, which is restricted to it. */
  readonly readerKey: string
  readonly publisherKey: string
  readonly fromMs: number
  readonly untilMs: number
}

export const LOG = `02${'11'.repeat(32)}`
const STREAMS = 25
const PACKET_EVENTS = 1_000
const AT_ONCE = 100_000
const FROM_MS = 1_800_000_000_000
/** So many came in a millisecond. */
const PER_MS = 40

/**
 * Events as the projections leave them: 25 streams of one partition that take turns, two sources and ten types each, in
 * packets of 1,000 that are certified but for the last ones; values and words of the first stream can be searched.
 */
export async function preloadEvents(db: Queryable, events: number): Promise<Preloaded> {
  const [readerKey, publisherKey] = [`02${'aa'.repeat(32)}`, `02${'bb'.repeat(32)}`]
  await db.query(`
    insert into policy_sets (digest, policy, created_ms) values (sha256('policy'), '{}', 0);
    insert into streams (stream_id, audience, level, shards_by, shards_count, domain, policy_digest, lateness_ms, readers,
        blind_key, created_ms, updated_ms)
      select 'stream-' || n, case when n = ${STREAMS} then 'restricted' else 'public' end, 'enhanced', 'event-id', 1, 'd',
          sha256('policy'), 0, case when n = ${STREAMS} then array['${readerKey}'] else '{}' end,
          case when n = ${STREAMS} then sha256('blind') end, 0, 0
        from generate_series(1, ${STREAMS}) as n;
    insert into partitions (stream_id, partition, log, network, level, audience, shards_by, shards_index, shards_count, opened_ms)
      select stream_id, 0, decode('${LOG}', 'hex'), 'local', level, audience, 'event-id', 0, 1, 0
        from streams order by substr(stream_id, 8)::integer;
    insert into overlay_event_sources (source_id, name, source_type, identity_key)
      select 'source-' || n, 's', 'webhook', case when n = 1 then '${publisherKey}' end
        from generate_series(0, ${2 * STREAMS - 1}) as n;
    insert into search_fields (stream_id, kind, path, since_ms)
      values ('stream-1', 'value', '/site', 0), ('stream-1', 'value', '/serial', 0), ('stream-1', 'words', '["/note"]', 0);
  `)
  for (let from = 0; from < events; from += AT_ONCE)
    await db.query(
      `insert into projected_events (event_id, partition_id, era, seq, event_ms, ingested_at, flags, line_at, line_bytes,
          source_id, event_type, native_id)
        select sha256(('event ' || n)::bytea), n % ${STREAMS} + 1, 0, n / ${STREAMS}, ${FROM_MS} + n / ${PER_MS},
            to_timestamp((${FROM_MS} + n / ${PER_MS})::double precision / 1000), 0, 0, 300,
            'source-' || (n % ${STREAMS} + ${STREAMS} * (n / ${STREAMS} % 2)),
            case when n % 50021 = 17 then 'rare' else 'reading.' || (n / ${STREAMS} % 10) end, 'native-' || n
          from generate_series($1::integer, $2::integer) as n`,
      [from, Math.min(events, from + AT_ONCE) - 1],
    )
  await db.query(`
    insert into native_ids (source_id, native_id, latest_digest, latest_event_id, latest_ms, first_ms)
      select source_id, convert_to(native_id, 'UTF8'), event_id, event_id, event_ms, event_ms from projected_events
        where seq % 20 = 0;
    insert into projected_types
      select partition_id, event_type, max(ingested_at) from projected_events group by 1, 2;
    insert into partition_heads (partition_id, next_seq, next_append)
      select partition_id, max(seq) + 1, 1 from projected_events group by 1;
    insert into projection_positions (partition_id, next_seq, next_append)
      select partition_id, next_seq, next_append from partition_heads;
    insert into search_terms (field_id, term, ingested_at, partition_id, seq)
      select field.id, said.term, event.ingested_at, event.partition_id, event.seq
        from projected_events as event
        cross join lateral (values
          ('/site', '"site-' || event.seq % 20 || '"'), ('/serial', '"' || event.seq || '"'),
          ('["/note"]', 'pump'), ('["/note"]', 'unit' || event.seq % 1000), ('["/note"]', 'serial' || event.seq)
        ) as said (path, term)
        join search_fields as field on field.path = said.path
        where event.partition_id = 1;
    insert into seal_marks
      select head.partition_id, packet_no, (packet_no + 1) * ${PACKET_EVENTS}, 1, 0, sha256('policy'), sha256('roster'),
          (packet_no + 1) * ${PACKET_EVENTS}, 0, 0, 0, 0, 'size', 0
        from partition_heads as head cross join generate_series(0, next_seq / ${PACKET_EVENTS} - 1) as packet_no;
    insert into packets
      select partition_id, packet_no, sha256(('packet ' || partition_id || ' ' || packet_no)::bytea), '{}',
          packet_no * ${PACKET_EVENTS}, ${PACKET_EVENTS}, 1, sha256('raw'), 0 from seal_marks;
    insert into packet_states (partition_id, packet_no, state, ingested_at, content_hash, version_id, changed_at)
      select partition_id, packet_no, 'anchored',
          to_timestamp((${FROM_MS} + (packet_no + 1) * ${PACKET_EVENTS * STREAMS} / ${PER_MS})::double precision / 1000), sha256(('content ' || partition_id || ' ' || packet_no)::bytea),
          sha256(('version ' || partition_id || ' ' || packet_no)::bytea), now()
        from packets as packet where (partition_id, packet_no) not in (
          select partition_id, max(packet_no) from packets group by 1);
    insert into dlm_versions (version_id, standing, manifest, dataset_id, content_hash, packet_id, created_at, known_ms)
      select version_id, 'certified', '{}', '${LOG}/' || stream_id, content_hash, packet_id, '', packet_no
        from packet_states join packets using (partition_id, packet_no)
          join partitions as opened on opened.id = partition_id;
    insert into segments (partition_id, append_no, first_seq, count, received, duplicate, rejected, quarantined, waived,
        policy_digest, constants, sources, first_event_ms, last_event_ms, appended_ms, lines)
      select 1, min(seq) / ${PACKET_EVENTS}, min(seq), count(*), count(*), 0, 0, 0, 0, sha256('policy'), '{}', '[]',
          min(event_ms), max(event_ms), max(event_ms), convert_to(string_agg(format(
            '{"eventId":"%s","eventTimeMs":%s,"ingestTimeMs":%s,"payload":{"site":"site-%s","note":"%s"},"qualityFlags":0,"sourceId":"%s","type":"%s"}',
            encode(event_id, 'hex'), event_ms, event_ms, seq % 20, repeat('x', 120), source_id, event_type) || E'\\n', '' order by seq), 'UTF8')
        from projected_events where partition_id = 1 group by seq / ${PACKET_EVENTS};
  `)
  for (const table of [
    'projected_events',
    'search_terms',
    'packets',
    'packet_states',
    'dlm_versions',
    'native_ids',
    'segments',
  ])
    await db.query(`vacuum (analyze) ${table}`)
  await db.query('analyze')
  return {
    events,
    streams: STREAMS,
    readerKey,
    publisherKey,
    fromMs: FROM_MS,
    untilMs: FROM_MS + Math.floor(events / PER_MS),
  }
}
