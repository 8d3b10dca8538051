import { Registry } from 'prom-client'
import { openFindReader } from '../../src/adapters/reading/readable.ts'
import { nodeApp, standingHeaders } from '../../src/http/app.ts'
import { openReading } from '../../src/http/read/reading.ts'
import { type HttpServer, httpLimits, listen } from '../../src/http/server.ts'
import { type LineageNodeSettings, openNodeLineage } from '../../src/node/node-lineage.ts'
import type { OverlayBed } from '../support/overlay-bed.ts'
import { testOnlyAuthentication, testOnlyIdentityHeader } from '../support/test-only-authentication.ts'
import { routesOf, undocumented } from './openapi-checks.ts'
import { readApiDocument } from './openapi-document.ts'
import { HttpClient } from './raw-http.ts'

export const lineageOperations = readApiDocument().operations.filter(({ tag }) => tag === 'lineage')

export type LineageDoor = {
  bundle(query: string, identityKey?: string): Promise<LineageAnswer>
  ready(query: string, identityKey?: string): Promise<LineageAnswer>
  readonly failures: readonly unknown[]
  /** As the document spells them. */
  readonly routes: readonly string[]
  close(): Promise<void>
}

export type LineageAnswer = {
  readonly status: number
  readonly told: Record<string, unknown>
  readonly text: string
  readonly cache: string | undefined
  readonly cacheControl: string | undefined
}

export const lineageSettings: LineageNodeSettings = {
  BUNDLE_MAX_DEPTH: 8,
  BUNDLE_VALIDATE: true,
  POLICY_MIN_CONFS: 1,
  READY_VERSIONS_MAX: 10_000,
  TRUSTED_PROXY_CIDRS: [],
}

/** The routes over a socket; each answer is held against docs/openapi.yaml. */
export async function lineageDoor(
  { database: { pool }, chain }: Pick<OverlayBed, 'database' | 'chain'>,
  settings: Partial<LineageNodeSettings> = {},
): Promise<LineageDoor> {
  const failures: unknown[] = []
  const onFailure = (error: unknown) => void failures.push(error)
  const reading = openReading({
    authentication: testOnlyAuthentication(),
    findReader: openFindReader(pool),
  })
  const routes = openNodeLineage({ ...lineageSettings, ...settings }, { pool, chain, reading, onFailure })
  const app = nodeApp({ routes: [routes], metrics: new Registry(), network: 'local', onFailure })
  const http: HttpServer = await listen(app, 0, '127.0.0.1', {
    ...httpLimits,
    drainMsMax: 100,
    headers: standingHeaders('local'),
  })
  const client = new HttpClient(http.port)
  const ask = async (path: string, identityKey?: string): Promise<LineageAnswer> => {
    const answer = await client.send({
      method: 'GET',
      path,
      headers: identityKey === undefined ? {} : { [testOnlyIdentityHeader]: identityKey },
    })
    const operation = lineageOperations.find(each => path.startsWith(each.path))
    const wrong = operation === undefined ? ['no such operation'] : undocumented(operation, answer)
    const text = answer.body.toString()
    if (wrong.length > 0) throw new Error(`${path} is answered otherwise than documented: ${wrong} ${text}`)
    const header = (name: string) => {
      const value = answer.headers[name]
      return typeof value === 'string' ? value : undefined
    }
    return {
      status: answer.status,
      told: Object(JSON.parse(text)),
      text,
      cache: header('x-cache'),
      cacheControl: header('cache-control'),
    }
  }
  return {
    bundle: (query, key) => ask(`/bundle${query}`, key),
    ready: (query, key) => ask(`/ready${query}`, key),
    failures,
    routes: routesOf(routes),
    async close() {
      client.close()
      await http.stop()
    },
  }
}
