import { parseJson } from '../../core/canonical-json.ts'
import { orThrow } from '../../core/fault.ts'
import { type Level, levels } from '../../core/level.ts'
import type { HeldItem, Step } from '../../ingest/release.ts'
import { hexOf, type Queryable } from '../postgres/sql.ts'

/** Which of what is or was held; what is not named makes no difference. */
export type QuarantineFilter = {
  readonly sourceId?: string | undefined
  readonly streamId?: string | undefined
  readonly tenantId?: string | undefined
  readonly reason?: string | undefined
  readonly state?: HeldItem['state'] | undefined
  /** Of its arrival: from this on, and before that. */
  readonly fromMs?: number | undefined
  readonly untilMs?: number | undefined
}

/** An item in a list: all but what was sent. */
export type ListedItem = Omit<HeldItem, 'held'>

/** The newest first, from below an id on. */
export async function listQuarantine(
  db: Queryable,
  filter: QuarantineFilter,
  { below, limit }: { readonly below?: number | undefined; readonly limit: number },
): Promise<readonly ListedItem[]> {
  const values: unknown[] = [limit]
  const conditions = [
    ...(['sourceId', 'streamId', 'tenantId', 'reason', 'state', 'fromMs', 'untilMs'] as const).flatMap(
      name =>
        filter[name] === undefined ? [] : [wanted[name].replace('?', `$${values.push(filter[name])}`)],
    ),
    ...(below === undefined ? [] : [`item.id < $${values.push(below)}`]),
  ]
  const { rows } = await db.query<Row>(
    `select ${columns} from quarantine as item join partitions as opened on opened.id = item.partition_id
      where ${conditions.join(' and ') || 'true'} order by item.id desc limit $1`,
    values,
  )
  return rows.map(asListed)
}

/** Those with these ids, the newest first. */
export async function readListed(db: Queryable, ids: readonly number[]): Promise<readonly ListedItem[]> {
  const { rows } = await db.query<Row>(
    `select ${columns} from quarantine as item join partitions as opened on opened.id = item.partition_id
      where item.id = any($1::bigint[]) order by item.id desc`,
    [ids],
  )
  return rows.map(asListed)
}

const wanted = {
  sourceId: 'item.source_id = ?',
  streamId: 'item.stream_id = ?',
  tenantId: 'item.tenant_id = ?',
  reason: 'item.reason = ?',
  state: 'item.state = ?',
  fromMs: 'item.received_ms >= ?',
  untilMs: 'item.received_ms < ?',
} as const satisfies Record<keyof QuarantineFilter, string>

export async function findHeld(db: Queryable, id: number): Promise<HeldItem | undefined> {
  const { rows } = await db.query<Row & { readonly held: string }>(
    `select ${columns}, item.held from quarantine as item join partitions as opened on opened.id = item.partition_id
      where item.id = $1`,
    [id],
  )
  const [row] = rows
  return row && { ...asListed(row), held: orThrow(parseJson(row.held)) }
}

const STEPS_SHOWN_MAX = 200

/** What was done with it, the oldest first. */
export async function readSteps(db: Queryable, id: number): Promise<readonly Step[]> {
  const { rows } = await db.query<Step>(
    `select at_ms as "atMs", action, who, by_publisher as "byPublisher", detail from quarantine_steps where quarantine_id = $1 order by id limit $2`,
    [id, STEPS_SHOWN_MAX],
  )
  return rows
}

const columns = `item.id, item.stream_id as "streamId", item.source_id as "sourceId", item.tenant_id as "tenantId",
  item.reason, item.detail, item.native_id as "nativeId", item.authenticated, item.received_ms as "receivedMs",
  item.state, item.decided_ms as "decidedMs", item.event_id as "eventId", item.partition_id as "partitionId",
  opened.level, opened.partition,
  (select max(step.id) from quarantine_steps as step
    where step.quarantine_id = item.id and step.action <> 'refused')::text as version`

type Row = Omit<ListedItem, 'eventId' | 'level'> & {
  readonly eventId: Uint8Array | null
  readonly level: string
}

function asListed({ eventId, level, ...row }: Row): ListedItem {
  return {
    ...row,
    level: levelOf(level),
    eventId: eventId === null ? null : hexOf(eventId),
  }
}

function levelOf(text: string): Level {
  const level = levels.find(each => each === text)
  if (level === undefined) throw new Error(`a partition has the level "${text}", which there is not`)
  return level
}
