import type { Express } from 'express'
import { Registry as MetricsRegistry } from 'prom-client'
import type { Source } from '../../src/core/registry/source.ts'
import type { Stream } from '../../src/core/registry/stream.ts'
import { nodeApp, standingHeaders } from '../../src/http/app.ts'
import { openAuthentication } from '../../src/http/authentication.ts'
import { type IngestDoor, type IngestDoorSettings, openIngestDoor } from '../../src/http/ingest/door.ts'
import type { IngestDoorEvents } from '../../src/http/ingest/ingest-events.ts'
import type { IngestLimits } from '../../src/http/ingest/ingest-limits.ts'
import { httpLimits, listen } from '../../src/http/server.ts'
import type { Full } from '../../src/ingest/arrived.ts'
import { type LogBed, openLogBed, sampleSource } from './log-bed.ts'
import { type Party, party } from './pipeline.ts'

/** A door on a port of its own, with a real log behind it; sources and streams are what a test says they are. */
export type IngestBed = {
  readonly log: LogBed
  readonly url: string
  readonly port: number
  readonly door: IngestDoor
  readonly identity: Party
  readonly refused: Parameters<IngestDoorEvents['onRefused']>[0][]
  readonly failures: unknown[]
  /** `counted`: why somebody was refused, each time. */
  readonly pressure: { refusal?: Full; readonly counted: Full[] }
  putSource(changes: Partial<Source> & { readonly sourceId: string }): void
  putSecrets(sourceId: string, secrets: readonly Uint8Array[]): void
  /** Another door on the same database, as a second node has one. */
  another(options?: IngestBedOptions): Promise<{ readonly url: string; readonly port: number }>
  end(): Promise<void>
}

export type IngestBedOptions = {
  readonly settings?: Partial<IngestDoorSettings>
  readonly limits?: Partial<IngestLimits>
  readonly accept?: (accept: LogBed['accept']) => LogBed['accept']
  /** Mounts the door's routes in an app of somebody else, without what goes ahead of it. */
  readonly foreign?: (door: IngestDoor) => Express
}

export const openSettings: IngestDoorSettings = {
  enabled: true,
  identityRequired: false,
  signatureTtlSeconds: 300,
  allowlist: [],
  trustedProxies: [],
  routeLimits: { '/ingest/events': {}, '/overlay/events/ingest': {} },
}

export async function openIngestBed(options: IngestBedOptions = {}): Promise<IngestBed> {
  const log = await openLogBed()
  log.clock.ms = Date.now()
  const identity = party('a node that takes events')
  const sources = new Map<string, Source>([[sampleSource.sourceId, sampleSource]])
  const secrets = new Map<string, readonly Uint8Array[]>()
  const refused: IngestBed['refused'] = []
  const failures: unknown[] = []
  const pressure: IngestBed['pressure'] = { counted: [] }
  const stops: (() => Promise<void>)[] = []
  const { pool } = log.database
  const onFailure = (error: unknown) => void failures.push(error)

  const authentication = openAuthentication({
    identity,
    pool,
    now: Date.now,
    onFailure,
    events: { onHandshake: () => undefined, onRefused: () => undefined, onSweepFailure: onFailure },
  })

  const open = async ({ settings = {}, limits = {}, accept = same => same, foreign }: IngestBedOptions) => {
    const headers = standingHeaders('local')
    const door = openIngestDoor({
      registry: {
        source: async (id): Promise<Source | undefined> => sources.get(id),
        stream: async (id): Promise<Stream | undefined> => log.streams.get(id),
        secrets: async id => secrets.get(id) ?? [],
      },
      accept: accept(log.accept),
      pushBack: { why: () => pressure.refusal, count: full => void pressure.counted.push(full) },
      authentication,
      pool,
      now: () => log.clock.ms,
      settings: { ...openSettings, ...settings },
      limits,
      headers,
      events: {
        onAnswered: () => undefined,
        onRefused: each => void refused.push(each),
        onFailure,
        onSweepFailure: onFailure,
      },
    })
    const app =
      foreign?.(door) ??
      nodeApp({
        routes: [authentication.routes, door.routes],
        metrics: new MetricsRegistry(),
        network: 'local',
        onFailure,
      })
    const first = foreign === undefined ? { first: door.handle } : {}
    const http = await listen(app, 0, '127.0.0.1', { ...httpLimits, drainMsMax: 500, headers, ...first })
    stops.push(async () => {
      await http.stop()
      await door.stop()
    })
    return { door, url: `http://127.0.0.1:${http.port}`, port: http.port }
  }

  const opened = await open(options)
  return {
    log,
    ...opened,
    identity,
    refused,
    failures,
    pressure,
    putSource: changes => void sources.set(changes.sourceId, { ...sampleSource, ...changes }),
    putSecrets: (sourceId, live) => void secrets.set(sourceId, live),
    another: (others = {}) => open({ ...options, ...others }),
    async end() {
      for (const stop of stops) await stop()
      await authentication.stop()
      await log.end()
    },
  }
}

export type JsonAnswer = {
  readonly status: number
  readonly headers: Headers
  // What an answer holds, a test says by what it expects.
  readonly body: Record<string, unknown>
}

export async function post(
  url: string,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<JsonAnswer> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })
  return {
    status: response.status,
    headers: response.headers,
    body: (await response.json()) as Record<string, unknown>,
  }
}
