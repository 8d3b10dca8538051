import { Router } from 'express'
import type { Network } from '../core/network.ts'

export type HealthCheck = {
  readonly name: string
  /** `ready`: without it no traffic should come here. */
  readonly critical: boolean
  /** Resolves with what is worth knowing, or throws with what is wrong. */
  run(): Promise<string | undefined>
}

export type HealthDeps = {
  readonly checks: readonly HealthCheck[]
  readonly service: {
    readonly name: string
    readonly advertisableFQDN: string | null
    readonly port: number
    readonly network: Network
    readonly topicManagerCount: number
    readonly lookupServiceCount: number
  }
  readonly startedAtMs: number
  now(): number
  /** False from the moment a stop has been asked for. */
  isServing(): boolean
  /** Facts for people: who signs, with what. */
  context(): Readonly<Record<string, string | number | boolean>>
}

/** No check may take longer; one that does has failed. */
const CHECK_MS_MAX = 2000

/** The three probes of an overlay node. `live` asks only this process; `ready` asks what it needs as well. */
export function healthRoutes(deps: HealthDeps): Router {
  const routes = Router({ caseSensitive: true })
  routes.get('/health/live', async (_, response) => {
    response.json(await report(deps, []))
  })
  for (const path of ['/health', '/health/ready'])
    routes.get(path, async (_, response) => {
      const health = await report(deps, deps.checks)
      response.status(health.ready ? 200 : 503).json(health)
    })
  return routes
}

async function report(
  { service, startedAtMs, now, isServing, context }: HealthDeps,
  checks: readonly HealthCheck[],
) {
  const done = await Promise.all(checks.map(check => runCheck(check, now)))
  const ready = isServing() && done.every(({ critical, status }) => !critical || status === 'ok')
  const allOk = done.every(({ status }) => status === 'ok')
  return {
    status: ready ? (allOk ? 'ok' : 'degraded') : 'error',
    live: true,
    ready,
    service: { ...service, startedAt: new Date(startedAtMs).toISOString(), uptimeMs: now() - startedAtMs },
    network: service.network,
    economicFinality: service.network === 'mainnet',
    checks: done,
    context: context(),
  }
}

async function runCheck({ name, critical, run }: HealthCheck, now: () => number) {
  const startedMs = now()
  let timer: NodeJS.Timeout | undefined
  const tooLong = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${CHECK_MS_MAX} ms`)), CHECK_MS_MAX)
  })
  try {
    const message = await Promise.race([run(), tooLong])
    return {
      name,
      scope: 'ready',
      critical,
      status: 'ok',
      ...(message !== undefined && { message }),
      durationMs: now() - startedMs,
    }
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    return { name, scope: 'ready', critical, status: 'error', message, durationMs: now() - startedMs }
  } finally {
    clearTimeout(timer)
  }
}
