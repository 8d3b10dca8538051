import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open, rm } from 'node:fs/promises'
import path from 'node:path'
import type { Pool } from 'pg'
import { errorCode } from '../../runtime/error-code.ts'
import { pause } from '../../runtime/pause.ts'
import { byteas } from '../postgres/sql.ts'
import { wantAdvert } from './adverts.ts'
import { condemn } from './condemn.ts'
import { type EndedObjects, type EndedState, openEndedObjects } from './ended-objects.ts'
import { type Folder, statOf } from './folder.ts'
import { underLocks } from './keep-object.ts'

export type SweepDeps = {
  readonly pool: Pool
  readonly folder: Folder
  readonly bounds: SweepBounds
  now(): number
  onSwept(what: Swept, sha256: string): void
}

/** `unnamed`: a file that no row names. `abandoned`: what an upload that did not end, or a quarantine, has left. */
export type Swept = 'expired' | 'forgotten' | 'unnamed' | 'abandoned' | 'lost' | 'corrupt'

export type SweepBounds = {
  readonly intervalMs: number
  /** Longer than any upload takes: what is younger may be one that is under way. */
  readonly graceMs: number
  /** How many bytes of objects are hashed again in an interval, one object at least; and how many objects at most. */
  readonly rehashBytes: number
  readonly rehashObjects: number
  /** Of the 256 folders, how many are compared with the rows in an interval. */
  readonly foldersAtOnce: number
  /** So long after its end, an object's name is still answered with "it was here". */
  readonly rememberMs: number
  readonly quarantineMs: number
}

export const sweepBounds: SweepBounds = {
  intervalMs: 60_000,
  graceMs: 3_600_000,
  rehashBytes: 64 * 1024 * 1024,
  // However short they are, each is a file to open.
  rehashObjects: 512,
  foldersAtOnce: 16,
  rememberMs: 30 * 86_400_000,
  quarantineMs: 7 * 86_400_000,
}

/** Sweeps a part of everything in each interval until it is stopped; any number of processes may do so side by side. */
export function startSweep(deps: SweepDeps, onFailure: (error: unknown) => void): () => Promise<void> {
  const stop = new AbortController()
  const ended = openEnded(deps)
  const run = async () => {
    for (let at = 0; ; at = (at + deps.bounds.foldersAtOnce) % FOLDERS) {
      await pause(deps.bounds.intervalMs, stop.signal)
      if (stop.signal.aborted) return
      const prefixes = prefixesFrom(at, deps.bounds.foldersAtOnce)
      // What fails in one of them must not keep the others from being done.
      for (const step of stepsOf(deps, ended, prefixes, stop.signal)) await step().catch(onFailure)
    }
  }
  const running = run()
  return async () => {
    stop.abort()
    await running
  }
}

/** One sweep of everything. */
export async function sweep(deps: SweepDeps): Promise<void> {
  const { signal } = new AbortController()
  for (const step of stepsOf(deps, openEnded(deps), prefixesFrom(0, FOLDERS), signal)) await step()
}

type Ended = Readonly<Record<EndedState, EndedObjects>>

function openEnded({ pool }: SweepDeps): Ended {
  return { unexpired: openEndedObjects(pool, 'unexpired'), expired: openEndedObjects(pool, 'expired') }
}

function stepsOf(
  deps: SweepDeps,
  ended: Ended,
  prefixes: readonly string[],
  stop: AbortSignal,
): (() => Promise<void>)[] {
  const { now, bounds } = deps
  return [
    () => ended.unexpired(now(), sha256 => endExpired(sha256, deps), stop),
    () => ended.expired(now() - bounds.rememberMs, sha256 => forgetOld(sha256, deps), stop),
    () => forgetPermits(deps),
    () => removeAbandoned(deps),
    async () => {
      for (const prefix of prefixes) {
        if (stop.aborted) return
        await compareFolder(prefix, deps)
      }
    },
    () => hashAgain(deps, stop),
  ]
}

const FOLDERS = 256

function prefixesFrom(from: number, count: number): string[] {
  return Array.from({ length: count }, (_, i) => ((from + i) % FOLDERS).toString(16).padStart(2, '0'))
}

/** An object that nobody keeps any more: the row says so before the file goes. */
async function endExpired(sha256: string, deps: SweepDeps): Promise<void> {
  const { pool, now } = deps
  const ended = await underLocks(pool, [sha256], async db => {
    const { rowCount } = await db.query({
      name: 'uhrp-expire',
      text: `update uhrp_objects o set state = 'expired' where sha256 = decode($1, 'hex')
        and not exists (select from uhrp_retentions r where r.sha256 = o.sha256 and r.retain_until_ms > $2)`,
      values: [sha256, now()],
    })
    await wantAdvert(db, sha256, now())
    return rowCount === 1
  })
  if (!ended) return
  await removeUnheld(sha256, deps)
  deps.onSwept('expired', sha256)
}

/** A file is removed under the lock that gives it a name, and only while no row says that it is there. */
function removeUnheld(sha256: string, { pool, folder }: SweepDeps): Promise<boolean> {
  return underLocks(pool, [sha256], async db => {
    const { rows } = await db.query({
      name: 'uhrp-is-held',
      text: `select from uhrp_objects where sha256 = decode($1, 'hex') and state = 'held'`,
      values: [sha256],
    })
    if (rows.length > 0) return false
    await folder.remove(sha256)
    return true
  })
}

async function forgetOld(sha256: string, { pool, onSwept }: SweepDeps): Promise<void> {
  const forgotten = await underLocks(pool, [sha256], async db => {
    const isExpired = `(select from uhrp_objects where sha256 = decode($1, 'hex') and state = 'expired')`
    await db.query({
      text: `delete from uhrp_retentions where sha256 = decode($1, 'hex') and exists ${isExpired}`,
      values: [sha256],
    })
    const { rowCount } = await db.query({
      text: `delete from uhrp_objects where sha256 = decode($1, 'hex') and state = 'expired'`,
      values: [sha256],
    })
    return rowCount === 1
  })
  if (forgotten) onSwept('forgotten', sha256)
}

/** Upload URLs, tickets and adverts that are over. */
async function forgetPermits({ pool, bounds, now }: SweepDeps): Promise<void> {
  for (const table of ['uhrp_upload_urls', 'uhrp_read_tickets'])
    await pool.query(`delete from ${table} where expires_ms <= $1`, [now()])
  await pool.query(`delete from uhrp_own_adverts where state = 'withdrawn' and expires_ms <= $1`, [
    now() - bounds.rememberMs,
  ])
}

async function removeAbandoned({ folder, bounds, now, onSwept }: SweepDeps): Promise<void> {
  for (const [kind, keepMs] of [
    ['incoming', bounds.graceMs],
    ['quarantine', bounds.quarantineMs],
  ] as const)
    for (const at of await folder.leftovers(kind)) {
      const file = await statOf(at)
      if (file === undefined || Math.max(file.mtimeMs, file.ctimeMs) > now() - keepMs) continue
      await rm(at, { force: true })
      onSwept('abandoned', path.basename(at))
    }
}

/** Files that no row names go, once they are old enough; rows without their file are condemned. */
async function compareFolder(prefix: string, deps: SweepDeps): Promise<void> {
  const { pool, folder, bounds, now, onSwept } = deps
  // The rows first: an object that is stored meanwhile has its file before it has its row.
  const { rows } = await pool.query<{ sha256: string }>({
    name: 'uhrp-held-in-folder',
    text: `select encode(sha256, 'hex') as sha256 from uhrp_objects
      where sha256 between $1 and $2 and state = 'held'`,
    values: byteas([prefix.padEnd(64, '0'), prefix.padEnd(64, 'f')]),
  })
  const there = new Set(await folder.list(prefix))
  const held = new Set(rows.map(row => row.sha256))
  for (const sha256 of held) {
    if (there.has(sha256)) continue
    const trouble = await condemn(sha256, { pool, folder, nowMs: now() })
    if (trouble !== undefined) onSwept(trouble, sha256)
  }
  for (const name of there) {
    if (held.has(name) || !/^[0-9a-f]{64}$/.test(name)) continue
    const file = await statOf(folder.pathOf(name))
    if (file === undefined || Math.max(file.mtimeMs, file.ctimeMs) > now() - bounds.graceMs) continue
    if (await removeUnheld(name, deps)) onSwept('unnamed', name)
  }
}

/** The object that was looked at longest ago, and the next, until it is enough. */
async function hashAgain(deps: SweepDeps, stop: AbortSignal): Promise<void> {
  const { pool, folder, bounds, now, onSwept } = deps
  const startedMs = now()
  let bytes = bounds.rehashBytes
  let objects = bounds.rehashObjects
  while (bytes > 0 && objects > 0 && !stop.aborted) {
    const next = await noteNext(pool, { startedMs, bytes, objects: Math.min(objects, REHASH_BATCH) })
    if (next.length === 0) return
    for (const { sha256, length } of next) {
      if (stop.aborted) return
      bytes -= Math.max(length, 1)
      objects -= 1
      const damaged = await damagedFile(folder.pathOf(sha256), sha256, stop)
      if (damaged === 'well' || stop.aborted) continue
      const trouble = await condemn(sha256, { pool, folder, nowMs: now() }, damaged)
      if (trouble !== undefined) onSwept(trouble, sha256)
    }
  }
}

/** Noted before they are looked at, and many at once: each statement is a commit. What stops in between looks at them the next time round. */
const REHASH_BATCH = 64

async function noteNext(
  pool: Pool,
  {
    startedMs,
    bytes,
    objects,
  }: { readonly startedMs: number; readonly bytes: number; readonly objects: number },
): Promise<{ sha256: string; length: number }[]> {
  const { rows } = await pool.query<{ sha256: string; length: number }>({
    name: 'uhrp-next-checks',
    text: `with next as (
        select sha256, length, checked_ms from uhrp_objects where state = 'held' and checked_ms < $1
        order by checked_ms, sha256 limit $2 for update skip locked
      ), fitting as (
        select sha256, sum(length) over (order by checked_ms, sha256) - length as before from next
      )
      update uhrp_objects as object set checked_ms = $1 from fitting
        where object.sha256 = fitting.sha256 and fitting.before < $3
        returning encode(object.sha256, 'hex') as sha256, object.length`,
    values: [startedMs, objects, bytes],
  })
  return rows
}

/** The file that does not hash to its name; undefined where it is missing. */
async function damagedFile(
  at: string,
  sha256: string,
  stop: AbortSignal,
): Promise<'well' | { readonly ino: number } | undefined> {
  try {
    const file = await open(at, 'r')
    const { ino } = await file.stat()
    const hash = createHash('sha256')
    for await (const chunk of createReadStream('', { fd: file, highWaterMark: HASH_CHUNK_BYTES })) {
      if (stop.aborted) return 'well'
      hash.update(chunk)
    }
    return hash.digest('hex') === sha256 ? 'well' : { ino }
  } catch (error) {
    const code = errorCode(error)
    if (code === 'ENOENT') return undefined
    // A sector that cannot be read is damage like any other.
    if (code !== 'EIO') throw error
    const file = await statOf(at)
    return file && { ino: file.ino }
  }
}

const HASH_CHUNK_BYTES = 256 * 1024
