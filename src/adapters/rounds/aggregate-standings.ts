import type { Audience } from '../../core/audience.ts'
import { utf8 } from '../../core/bytes.ts'
import type { Level } from '../../core/level.ts'
import type { PacketStanding, PacketStatus, Version } from '../../core/rounds/coordinating/standing.ts'
import { bytea, byteas, type Queryable } from '../postgres/sql.ts'

type State = 'due' | 'open' | 'certified' | 'split'

/** A row of aggregates, as far as it says where one stands. */
export type AggregateRow = {
  readonly aggregateId: string
  readonly level: Level
  readonly audience: Audience
  readonly document: string
  readonly state: State
  readonly rounds: number
  readonly tries: number
  readonly rebuilds: number
  readonly versionId: string | null
  readonly certificate: string | null
}

/** Of `aggregates as aggregate` and `partitions as opened`. */
export const aggregateColumns = `encode(aggregate.aggregate_id, 'hex') as "aggregateId", opened.level, opened.audience,
  aggregate.document, aggregate.state, aggregate.rounds, aggregate.tries, aggregate.rebuilds,
  encode(aggregate.version_id, 'hex') as "versionId",
  (select encode(txid, 'hex') from certificates where certificates.packet_id = aggregate.aggregate_id
    and certificates.state in ('anchored', 'proven')) as certificate`

/** A statement as if it were a packet, in a partition of its own: so it is decided by the rules of packets. */
export function aggregateStanding(row: AggregateRow): PacketStanding {
  const { aggregateId, level, audience, document, rounds, tries, rebuilds, certificate } = row
  const bytes = utf8(document).length
  const isInRound = row.state === 'open' || row.state === 'certified'
  return {
    packetId: aggregateId,
    partition: `aggregate/${aggregateId}`,
    packetNo: 0,
    ...{ level, audience, bytes, documentBytes: bytes },
    status: statusOf(row),
    roundId: isInRound ? aggregateId : null,
    ...{ rounds, tries, roundPacketsMax: null, rebuilds },
    // Nothing waits for it, so its tries alone bound it.
    waitedMs: 0,
    version: versionOf(row),
    certificate,
  }
}

function statusOf({ state, versionId }: AggregateRow): PacketStatus {
  if (state === 'due') return versionId === null ? 'sealed' : 'unanchored'
  if (state === 'open') return versionId === null ? 'open' : 'rebuilding'
  return state
}

/** What a packet builds on, it does not. */
function versionOf({ versionId }: AggregateRow): Version | null {
  return versionId === null ? null : { versionId, parent: null, stateIn: null, stateOut: null }
}

/** By the id of the aggregate, which is that of its round. */
export async function readAggregateStandings(
  db: Queryable,
  roundIds: readonly string[],
): Promise<Map<string, PacketStanding>> {
  if (roundIds.length === 0) return new Map()
  const { rows } = await db.query<AggregateRow>({
    name: 'rounds-aggregate-standings',
    text: `select ${aggregateColumns} from aggregates as aggregate
      join partitions as opened on opened.id = aggregate.partition_id where aggregate.aggregate_id = any ($1)`,
    values: [byteas(roundIds)],
  })
  return new Map(rows.map(row => [row.aggregateId, aggregateStanding(row)]))
}

/** Its version and its certificate are never written here. */
export async function writeAggregateStanding(
  db: Queryable,
  { packetId, status, rounds, tries, rebuilds }: PacketStanding,
  retryMs: number,
): Promise<void> {
  await db.query({
    name: 'rounds-write-aggregate',
    text: `update aggregates set state = $2, round_id = case when $2 = 'open' then $1 else round_id end, rounds = $3,
        tries = $4, rebuilds = $5, retry_ms = $6
      where aggregate_id = $1`,
    values: [bytea(packetId), states[status], rounds, tries, rebuilds, retryMs],
  })
}

const states: Readonly<Record<PacketStatus, State>> = {
  sealed: 'due',
  unanchored: 'due',
  open: 'open',
  rebuilding: 'open',
  certified: 'certified',
  // It stays certified, without an anchor.
  abandoned: 'certified',
  split: 'split',
}
