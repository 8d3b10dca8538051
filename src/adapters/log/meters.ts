import type { Limits } from '../../core/registry/limits.ts'
import type { Offer } from '../../ingest/append.ts'
import type { AcceptRefusal } from '../../ingest/arrived.ts'
import type { Queryable } from '../postgres/sql.ts'

const SECOND_MS = 1_000
/** Stands for all seconds of a rate, as 0 does for months. Versions before had a row for each second, under 1,000. */
const RATE_WINDOW = 1
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

type Share = Record<Measure, number>

/** `secondMs`: of a rate, the second that was counted in last. */
type Reading = Share & { secondMs: number }

/**
 * Takes each offer's share of what its source, its stream and its route may take, in order; the rows stay locked until the
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
  payBack(bounds.flat(), readings, nowMs)
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
    const reading = readings.get(keyOf(meter))
    const taken = reading?.[measure] ?? 0
    // Of a rate anything that is left will do, and the rest is owed: else whoever sends much at once waits for ever for a
    // second that nobody else has sent in.
    const needed = why === 'rate' ? Math.min(1, share[measure]) : share[measure]
    if (taken + needed <= max) continue
    const endsMs =
      why === 'quota'
        ? meter.endsMs
        : (reading?.secondMs ?? 0) + SECOND_MS * Math.ceil((taken + needed - max) / max)
    return { why, limit, retryAfterS: Math.max(1, Math.ceil((endsMs - nowMs) / SECOND_MS)) }
  }
  return undefined
}

/** What was taken of a rate beyond its second is paid back by the seconds after it, so that the average holds. */
function payBack(bounds: readonly Bound[], readings: ReadonlyMap<string, Reading>, nowMs: number): void {
  const secondMs = nowMs - (nowMs % SECOND_MS)
  for (const { meter, measure, max, why } of bounds) {
    const reading = readings.get(keyOf(meter))
    if (why === 'quota' || reading === undefined) continue
    const aheadMs = reading.secondMs - secondMs
    // Another node's clock is a little ahead: its second is counted in, or each of the two would begin new ones.
    if (aheadMs >= 0 && aheadMs <= SKEW_MS_MAX) continue
    const seconds = Math.max(0, -aheadMs / SECOND_MS)
    reading[measure] = Math.max(0, reading[measure] - max * seconds)
    reading.secondMs = secondMs
  }
}

const SKEW_MS_MAX = 60_000

function takeShare(offer: Offer, counted: readonly Meter[], readings: ReadonlyMap<string, Reading>): void {
  const share = shareOf(offer)
  for (const key of new Set(counted.map(keyOf))) {
    const reading = readings.get(key)
    if (reading === undefined) continue
    for (const measure of ['requests', 'events', 'bytes'] as const) reading[measure] += share[measure]
  }
}

function shareOf({ items, bytes, continued }: Offer): Share {
  return { requests: continued === true ? 0 : 1, events: items.length, bytes }
}

function boundsOf({ source, stream, releases, countsFor, countsAlso }: Offer, nowMs: number): Bound[] {
  // What leaves quarantine was counted when it came, and has left it by now: refused here, it would be nowhere.
  if (releases !== undefined) return []
  if (countsFor !== undefined) return limitsOf(countsFor.scope, countsFor.limits, nowMs)
  return [
    ...limitsOf(`source ${source.sourceId}`, source.limits, nowMs),
    ...limitsOf(`stream ${stream.streamId}`, stream.limits, nowMs),
    ...(countsAlso === undefined ? [] : limitsOf(countsAlso.scope, countsAlso.limits, nowMs)),
  ]
}

/** What publishers are shown of what is theirs is counted also where nothing limits it. */
function shownTo({ source, stream, releases, countsFor }: Offer, nowMs: number): Meter[] {
  if (releases !== undefined || countsFor !== undefined) return []
  return [
    ...(source.identityKey === undefined ? [] : usageMeters(`source ${source.sourceId}`, nowMs)),
    ...(stream.ownerKey === undefined ? [] : usageMeters(`stream ${stream.streamId}`, nowMs)),
  ]
}

function usageMeters(scope: string, nowMs: number): Meter[] {
  return [windowOf(scope, DAY_MS, nowMs), monthOf(scope, nowMs)]
}

function limitsOf(scope: string, limits: Limits, nowMs: number): Bound[] {
  const day = windowOf(scope, DAY_MS, nowMs)
  const month = monthOf(scope, nowMs)
  return [
    rate(scope, 'requests', limits.requestsPerSecond),
    rate(scope, 'events', limits.eventsPerSecond),
    quota(day, 'events', limits.eventsPerDay, `events per day (UTC) of ${scope}`),
    quota(day, 'bytes', limits.bytesPerDay, `bytes per day (UTC) of ${scope}`),
    quota(month, 'events', limits.eventsPerMonth, `events per month of ${scope}`),
    quota(month, 'bytes', limits.bytesPerMonth, `bytes per month of ${scope}`),
  ].flat()
}

/**
 * One meter for all seconds: what one of them owes, the next one must find, whichever node counts it. It is that of this
 * very limit, so that another one owes nothing for what this one allowed.
 */
function rate(scope: string, measure: Measure, max: number | undefined): Bound[] {
  if (max === undefined) return []
  const meter = { scope: `${scope} ${max} ${measure}/s`, windowMs: RATE_WINDOW, startsMs: 0, endsMs: 0 }
  return [{ meter, measure, max, why: 'rate', limit: `${max} ${measure} per second of ${scope}` }]
}

function quota(meter: Meter, measure: Measure, max: number | undefined, what: string): Bound[] {
  return max === undefined ? [] : [{ meter, measure, max, why: 'quota', limit: `${max} ${what}` }]
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
      returning scope, window_ms as "windowMs", starts_ms as "startsMs", requests, events, bytes,
        counted_ms as "secondMs"`,
    values: columnsOf(meters),
  })
  return new Map(
    rows.map(({ scope, windowMs, startsMs, ...reading }) => [
      JSON.stringify([scope, windowMs, startsMs]),
      reading,
    ]),
  )
}

async function writeMeters(
  db: Queryable,
  meters: readonly Meter[],
  readings: ReadonlyMap<string, Reading>,
): Promise<void> {
  const read = (measure: keyof Reading) => meters.map(meter => readings.get(keyOf(meter))?.[measure] ?? 0)
  await db.query({
    name: 'write-meters',
    text: `update meters as held
      set requests = given.requests, events = given.events, bytes = given.bytes, counted_ms = given.counted_ms
      from unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[])
        as given (scope, window_ms, starts_ms, requests, events, bytes, counted_ms)
      where held.scope = given.scope and held.window_ms = given.window_ms and held.starts_ms = given.starts_ms`,
    values: [...columnsOf(meters), ...[read('requests'), read('events'), read('bytes'), read('secondMs')]],
  })
}

function columnsOf(meters: readonly Meter[]): unknown[] {
  return [
    meters.map(({ scope }) => scope),
    meters.map(({ windowMs }) => windowMs),
    meters.map(({ startsMs }) => startsMs),
  ]
}

/** A rate that nothing was counted in for so long owes nothing any more. */
export async function sweepMeters(db: Queryable, nowMs: number): Promise<void> {
  await db.query('delete from meters where window_ms = any ($1) and counted_ms < $2', [
    [RATE_WINDOW, SECOND_MS],
    nowMs - DAY_MS,
  ])
}

/** What was taken today and this month: of a publisher's, and where something is limited. */
export async function readMeters(db: Queryable, scope: string, nowMs: number) {
  const [day, month] = [windowOf(scope, DAY_MS, nowMs), monthOf(scope, nowMs)]
  const { rows } = await db.query<Share & { windowMs: number; startsMs: number }>({
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
