import type { Limits } from '../../core/registry/limits.ts'
import type { Offer } from '../../ingest/append.ts'
import type { AcceptRefusal } from '../../ingest/arrived.ts'
import type { Queryable } from '../postgres/sql.ts'

const SECOND_MS = 1_000
const DAY_MS = 86_400_000

type Measure = 'requests' | 'events' | 'bytes'

type Bound = {
  readonly meter: Meter
  readonly measure: Measure
  readonly max: number
  readonly why: 'quota' | 'rate'
  readonly limit: string
}

type Meter = {
  readonly scope: string
  readonly windowMs: number
  readonly startsMs: number
  readonly endsMs: number
}

type Reading = Record<Measure, number>

/**
 * Takes each offer's share of what its source and its stream may send, in order; the rows stay locked until the
 * transaction ends, so that all nodes count together. Whoever is refused has taken nothing.
 */
export async function takeShares(
  db: Queryable,
  offers: readonly Offer[],
  nowMs: number,
): Promise<(AcceptRefusal | undefined)[]> {
  const bounds = offers.map(offer => boundsOf(offer, nowMs))
  const counted = offers.map((offer, i) => [
    ...(bounds[i] ?? []).map(({ meter }) => meter),
    ...shownTo(offer, nowMs),
  ])
  const meters = new Map(counted.flat().map(meter => [keyOf(meter), meter]))
  if (meters.size === 0) return offers.map(() => undefined)

  const ordered = [...meters.keys()].sort().flatMap(key => meters.get(key) ?? [])
  const readings = await lockMeters(db, ordered)
  const refusals = offers.map((offer, i) => {
    const refusal = refusalOf(offer, bounds[i] ?? [], readings, nowMs)
    if (refusal === undefined) takeShare(offer, counted[i] ?? [], readings)
    return refusal
  })
  await writeMeters(db, ordered, readings)
  return refusals
}

function refusalOf(
  offer: Offer,
  bounds: readonly Bound[],
  readings: ReadonlyMap<string, Reading>,
  nowMs: number,
): AcceptRefusal | undefined {
  const share = shareOf(offer)
  for (const { meter, measure, max, why, limit } of bounds) {
    const taken = readings.get(keyOf(meter))?.[measure] ?? 0
    if (taken + share[measure] > max)
      return { why, limit, retryAfterS: Math.max(1, Math.ceil((meter.endsMs - nowMs) / SECOND_MS)) }
  }
  return undefined
}

function takeShare(offer: Offer, counted: readonly Meter[], readings: ReadonlyMap<string, Reading>): void {
  const share = shareOf(offer)
  for (const key of new Set(counted.map(keyOf))) {
    const reading = readings.get(key)
    if (reading === undefined) continue
    reading.requests += share.requests
    reading.events += share.events
    reading.bytes += share.bytes
  }
}

function shareOf({ items, bytes }: Offer): Reading {
  return { requests: 1, events: items.length, bytes }
}

function boundsOf({ source, stream, releases }: Offer, nowMs: number): Bound[] {
  // What leaves quarantine was counted when it came, and has left it by now: refused here, it would be nowhere.
  if (releases !== undefined) return []
  return [
    ...limitsOf(`source ${source.sourceId}`, source.limits, nowMs),
    ...limitsOf(`stream ${stream.streamId}`, stream.limits, nowMs),
  ]
}

/** What publishers are shown of what is theirs is counted also where nothing limits it. */
function shownTo({ source, stream, releases }: Offer, nowMs: number): Meter[] {
  if (releases !== undefined) return []
  return [
    ...(source.identityKey === undefined ? [] : usageMeters(`source ${source.sourceId}`, nowMs)),
    ...(stream.ownerKey === undefined ? [] : usageMeters(`stream ${stream.streamId}`, nowMs)),
  ]
}

function usageMeters(scope: string, nowMs: number): Meter[] {
  return [windowOf(scope, DAY_MS, nowMs), monthOf(scope, nowMs)]
}

function limitsOf(scope: string, limits: Limits, nowMs: number): Bound[] {
  const second = windowOf(scope, SECOND_MS, nowMs)
  const day = windowOf(scope, DAY_MS, nowMs)
  const month = monthOf(scope, nowMs)
  return [
    bound(second, 'requests', limits.requestsPerSecond, 'rate', `requests per second of ${scope}`),
    bound(second, 'events', limits.eventsPerSecond, 'rate', `events per second of ${scope}`),
    bound(day, 'events', limits.eventsPerDay, 'quota', `events per day (UTC) of ${scope}`),
    bound(day, 'bytes', limits.bytesPerDay, 'quota', `bytes per day (UTC) of ${scope}`),
    bound(month, 'events', limits.eventsPerMonth, 'quota', `events per month of ${scope}`),
    bound(month, 'bytes', limits.bytesPerMonth, 'quota', `bytes per month of ${scope}`),
  ].flat()
}

function bound(
  meter: Meter,
  measure: Measure,
  max: number | undefined,
  why: Bound['why'],
  what: string,
): Bound[] {
  return max === undefined ? [] : [{ meter, measure, max, why, limit: `${max} ${what}` }]
}

function windowOf(scope: string, windowMs: number, nowMs: number): Meter {
  const startsMs = nowMs - (nowMs % windowMs)
  return { scope, windowMs, startsMs, endsMs: startsMs + windowMs }
}

/** Months differ in length; 0 stands for them. */
function monthOf(scope: string, nowMs: number): Meter {
  const now = new Date(nowMs)
  const [year, month] = [now.getUTCFullYear(), now.getUTCMonth()]
  return { scope, windowMs: 0, startsMs: Date.UTC(year, month), endsMs: Date.UTC(year, month + 1) }
}

function keyOf({ scope, windowMs, startsMs }: Meter): string {
  return JSON.stringify([scope, windowMs, startsMs])
}

async function lockMeters(db: Queryable, meters: readonly Meter[]): Promise<Map<string, Reading>> {
  const { rows } = await db.query<Reading & { scope: string; windowMs: number; startsMs: number }>({
    name: 'lock-meters',
    text: `insert into meters as held (scope, window_ms, starts_ms, requests, events, bytes)
      select scope, window_ms, starts_ms, 0, 0, 0
        from unnest($1::text[], $2::bigint[], $3::bigint[]) as given (scope, window_ms, starts_ms)
      on conflict (scope, window_ms, starts_ms) do update set requests = held.requests
      returning scope, window_ms as "windowMs", starts_ms as "startsMs", requests, events, bytes`,
    values: columnsOf(meters),
  })
  return new Map(
    rows.map(row => [
      JSON.stringify([row.scope, row.windowMs, row.startsMs]),
      { requests: row.requests, events: row.events, bytes: row.bytes },
    ]),
  )
}

async function writeMeters(
  db: Queryable,
  meters: readonly Meter[],
  readings: ReadonlyMap<string, Reading>,
): Promise<void> {
  const read = (measure: Measure) => meters.map(meter => readings.get(keyOf(meter))?.[measure] ?? 0)
  await db.query({
    name: 'write-meters',
    text: `update meters as held set requests = given.requests, events = given.events, bytes = given.bytes
      from unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[])
        as given (scope, window_ms, starts_ms, requests, events, bytes)
      where held.scope = given.scope and held.window_ms = given.window_ms and held.starts_ms = given.starts_ms`,
    values: [...columnsOf(meters), read('requests'), read('events'), read('bytes')],
  })
}

function columnsOf(meters: readonly Meter[]): unknown[] {
  return [
    meters.map(({ scope }) => scope),
    meters.map(({ windowMs }) => windowMs),
    meters.map(({ startsMs }) => startsMs),
  ]
}

/** Windows of a second that are over count for nothing any more. */
export async function sweepMeters(db: Queryable, nowMs: number): Promise<void> {
  await db.query('delete from meters where window_ms = $1 and starts_ms < $2', [SECOND_MS, nowMs - DAY_MS])
}

/** What was taken today and this month: of a publisher's, and where something is limited. */
export async function readMeters(db: Queryable, scope: string, nowMs: number) {
  const [day, month] = [windowOf(scope, DAY_MS, nowMs), monthOf(scope, nowMs)]
  const { rows } = await db.query<Reading & { windowMs: number; startsMs: number }>({
    name: 'read-meters',
    text: `select window_ms as "windowMs", starts_ms as "startsMs", requests, events, bytes from meters
      where scope = $1 and (window_ms, starts_ms) in (($2, $3), ($4, $5))`,
    values: [scope, day.windowMs, day.startsMs, month.windowMs, month.startsMs],
  })
  const read = ({ windowMs, startsMs, endsMs }: Meter) => {
    const row = rows.find(each => each.windowMs === windowMs && each.startsMs === startsMs)
    const { requests = 0, events = 0, bytes = 0 } = row ?? {}
    return { startsMs, endsMs, requests, events, bytes }
  }
  return { day: read(day), month: read(month) }
}
