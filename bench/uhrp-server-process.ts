import { randomBytes } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { mkdir, stat, writeFile } from 'node:fs/promises'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { pipeline } from 'node:stream/promises'
import { Registry } from 'prom-client'
import * as z from 'zod'
import { migrations } from '../migrations/index.ts'
import { openDatabase } from '../src/adapters/postgres/database.ts'
import { migrate } from '../src/adapters/postgres/migrate.ts'
import { openContentStore } from '../src/adapters/uhrp/content-store.ts'
import { nodeHolder } from '../src/adapters/uhrp/holder.ts'
import { seatInOverlay } from '../src/adapters/uhrp/may-upload.ts'
import { issueUpload } from '../src/adapters/uhrp/upload-urls.ts'
import { orThrow } from '../src/core/fault.ts'
import { nodeApp } from '../src/http/app.ts'
import { listen } from '../src/http/server.ts'
import { uhrpRoutes } from '../src/http/uhrp-routes.ts'
import { openLog } from '../src/runtime/log.ts'

/* One of the two servers that `bench uhrp` compares, in a process of its own. */

type Server = {
  /** Stores an object of this length; its path. */
  stored(length: number): Promise<string>
  /** Where an object of this length can be put. */
  room(length: number): Promise<string>
  readonly port: number
}

const [which, directory = '', databaseUrl = ''] = process.argv.slice(2)
const server = await (which === 'bare' ? openBare() : openAssay())
const command = z.discriminatedUnion('what', [
  z.object({ what: z.literal('cpu') }),
  z.object({ what: z.literal('targets'), method: z.enum(['GET', 'PUT']), length: z.int(), count: z.int() }),
])
process.on('disconnect', () => process.exit())
process.on('message', async message => {
  const asked = command.parse(message)
  if (asked.what === 'cpu') {
    const { user, system } = process.cpuUsage()
    process.send?.({ cpuMs: (user + system) / 1000 })
    return
  }
  const targets: string[] = []
  const object = asked.method === 'GET' ? await server.stored(asked.length) : undefined
  for (let n = 0; n < asked.count; n++)
    targets.push(`http://127.0.0.1:${server.port}${object ?? (await server.room(asked.length))}`)
  process.send?.({ targets })
})
process.send?.('ready')

async function openAssay(): Promise<Server> {
  const database = await openDatabase({ url: databaseUrl, log: openLog('warn'), applicationName: 'bench' })
  await migrate(database, migrations)
  const { pool } = database
  const bounds = { objectBytesMax: 2 ** 31, freeBytesMin: 0 }
  const store = await openContentStore({ pool, directory, bounds, now: Date.now, onTrouble: () => {} })
  const onFailure = (error: unknown) => console.error(error)
  const routes = uhrpRoutes({
    pool,
    store,
    mayUpload: seatInOverlay({ db: pool, coordinators: [], quotaBytes: 0, now: Date.now }),
    uploaders: 'any',
    quotaBytes: 0,
    publicUrl: () => '',
    now: Date.now,
    onFailure,
  })
  const app = nodeApp({ routes: [routes], metrics: new Registry(), network: 'local', onFailure })
  const { port } = await listen(app, 0, '127.0.0.1')
  const owner = { identityKey: '02'.repeat(33), retainMs: 3_600_000 }
  const generous = {
    quotaBytes: Number.MAX_SAFE_INTEGER,
    objectBytesMax: 2 ** 31,
    urlMsMax: 3_600_000,
    urlsMax: 1_000_000,
  }
  return {
    port,
    async stored(length) {
      const wishes = {
        holder: nodeHolder('bench'),
        audience: 'public',
        retainUntilMs: Date.now() + 3_600_000,
      } as const
      return `/uhrp/${orThrow(await store.put(randomBytes(length), wishes)).sha256}`
    },
    room: async length =>
      `/uhrp/uploads/${orThrow(await issueUpload(pool, { ...owner, length }, generous, Date.now()))}`,
  }
}

async function openBare(): Promise<Server> {
  await mkdir(directory, { recursive: true })
  const at = (url = '/') => path.join(directory, path.basename(url))
  const bare = http.createServer(async (request, response) => {
    if (request.method === 'PUT') {
      await pipeline(request, createWriteStream(at(request.url)))
      response.end('{}')
      return
    }
    const { size } = await stat(at(request.url))
    response.setHeader('Content-Length', size)
    await pipeline(createReadStream(at(request.url)), response)
  })
  await new Promise<void>(resolve => bare.listen(0, '127.0.0.1', resolve))
  let files = 0
  return {
    port: (bare.address() as AddressInfo).port,
    async stored(length) {
      await writeFile(at('object'), randomBytes(length))
      return '/object'
    },
    room: async () => `/${files++ % 1000}`,
  }
}
