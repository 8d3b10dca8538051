import { constants } from 'node:fs'
import { access } from 'node:fs/promises'
import type { SecretStanding } from '../adapters/projections/secret-standing.ts'
import type { Standing } from '../adapters/projections/standing.ts'
import type { HealthCheck } from '../http/health-routes.ts'
import { errorCode } from '../runtime/error-code.ts'
import { freeBytes } from '../runtime/free-bytes.ts'

export type IngestHealthBounds = {
  readonly unsealedMsMax: number
  readonly unprojectedMsMax: number
  readonly waitingEventsMax: number
  /** A secret that ends sooner, with none to follow it, is worth a word. */
  readonly expiringMs: number
}

export const ingestHealthBounds: IngestHealthBounds = {
  unsealedMsMax: 30_000,
  unprojectedMsMax: 60_000,
  waitingEventsMax: 50_000,
  expiringMs: 3 * 86_400_000,
}

const NAMES_SHOWN_MAX = 5

/** What ingest needs, and how far behind it is. None is critical: a node that lags still takes in what comes. */
export function ingestHealth(
  deps: {
    standing(): Promise<Standing>
    secrets(): Promise<readonly SecretStanding[]>
    waiting(): { readonly events: number }
    readonly contentFolder: string
    readonly freeBytesMin: number
    now(): number
  },
  bounds: IngestHealthBounds = ingestHealthBounds,
): HealthCheck[] {
  return [
    {
      name: 'webhook-secrets',
      critical: false,
      run: async () => secretsInWords(await deps.secrets(), deps.now(), bounds),
    },
    {
      name: 'queue-lag',
      critical: false,
      run: async () => lagInWords(await deps.standing(), deps.waiting().events, deps.now(), bounds),
    },
    {
      name: 'content-store',
      critical: false,
      run: () => contentInWords(deps.contentFolder, deps.freeBytesMin),
    },
  ]
}

/** Of sources that sign with HMAC; their names, and never what they sign with. */
export function secretsInWords(
  sources: readonly SecretStanding[],
  nowMs: number,
  { expiringMs }: Pick<IngestHealthBounds, 'expiringMs'>,
): string {
  const without = sources.filter(({ untilMs }) => untilMs !== null && untilMs <= nowMs)
  if (without.length > 0)
    throw new Error(`${named(without)} without a live secret: nothing that they send is taken; rotate theirs`)
  const ending = sources.filter(({ untilMs }) => untilMs !== null && untilMs <= nowMs + expiringMs)
  if (ending.length > 0)
    throw new Error(`${named(ending)} whose last secret ends soon: rotate it before then`)
  return `${sources.length} sources sign with HMAC, all with a live secret`
}

function named(sources: readonly SecretStanding[]): string {
  const names = sources.slice(0, NAMES_SHOWN_MAX).map(({ sourceId }) => sourceId)
  const more = sources.length > names.length ? ' and others' : ''
  return `${sources.length} sources (${names.join(', ')}${more})`
}

export function lagInWords(
  standing: Standing,
  waitingEvents: number,
  nowMs: number,
  { unsealedMsMax, unprojectedMsMax, waitingEventsMax }: IngestHealthBounds,
): string {
  const unsealedMs = ageOf(standing.unsealedSinceMs, nowMs)
  const unprojectedMs = ageOf(standing.unprojectedSinceMs, nowMs)
  const said = [
    `${waitingEvents} events wait to be taken in`,
    `${standing.unsealedEvents} to be sealed, the oldest for ${unsealedMs} ms`,
    `${standing.unprojectedEvents} to be projected, the oldest for ${unprojectedMs} ms`,
  ].join('; ')
  if (waitingEvents > waitingEventsMax || unsealedMs > unsealedMsMax || unprojectedMs > unprojectedMsMax)
    throw new Error(said)
  return said
}

function ageOf(sinceMs: number | null, nowMs: number): number {
  return sinceMs === null ? 0 : Math.max(0, nowMs - sinceMs)
}

/** A folder that nothing was stored in yet is made with the first object. */
async function contentInWords(folder: string, freeBytesMin: number): Promise<string> {
  const free = await freeBytes(folder)
  await accessIfThere(folder)
  if (free < freeBytesMin) throw new Error(`${free} bytes are free, and less than ${freeBytesMin} is too few`)
  return `${free} bytes are free`
}

async function accessIfThere(folder: string): Promise<void> {
  try {
    await access(folder, constants.R_OK | constants.W_OK)
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error
  }
}
