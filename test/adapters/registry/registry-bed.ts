import { type Database, openDatabase } from '../../../src/adapters/postgres/database.ts'
import type { ChangeDeps } from '../../../src/adapters/registry/changing.ts'
import { openRegistry, type RegistryDeps } from '../../../src/adapters/registry/open-registry.ts'
import { putSource } from '../../../src/adapters/registry/put-source.ts'
import { putStream } from '../../../src/adapters/registry/put-stream.ts'
import type { Registry } from '../../../src/adapters/registry/registry.ts'
import type { Json } from '../../../src/core/canonical-json.ts'
import { orThrow } from '../../../src/core/fault.ts'
import { readSource } from '../../../src/core/registry/read-source.ts'
import { readStream } from '../../../src/core/registry/read-stream.ts'
import { temporaryDatabase } from '../../support/database.ts'
import { silentLog } from '../../support/silent-log.ts'

export const masterKey = Uint8Array.from({ length: 32 }, (_, i) => i)

/** A migrated database of the caller's own, with a clock to set, to change and read a registry in. */
export type RegistryBed = {
  readonly database: Database
  readonly changes: ChangeDeps
  readonly clock: { nowMs: number }
  open(options?: Partial<RegistryDeps>): Registry
  /** One that is notified of nothing, and the names of the statements that it has sent so far. */
  openDeaf(options?: Partial<RegistryDeps>): { readonly registry: Registry; readonly asked: string[] }
  /** Throws where the document or the change is refused. */
  putSource(document: Json): ReturnType<typeof putOrThrow>
  putStream(document: Json): ReturnType<typeof putStreamOrThrow>
  end(): Promise<void>
}

export async function registryBed(): Promise<RegistryBed> {
  const temporary = await temporaryDatabase()
  const database = await openDatabase({ url: temporary.url, log: silentLog, applicationName: 'test' })
  const clock = { nowMs: 1_800_000_000_000 }
  const now = () => clock.nowMs
  const changes: ChangeDeps = {
    pool: database.pool,
    masterKey,
    now,
    defaults: {},
    levelByDefault: 'enhanced',
    operators: [],
  }
  const registries: Registry[] = []
  const open = (options: Partial<RegistryDeps> = {}) => {
    const registry = openRegistry({ database, masterKey, log: silentLog, now, ...options })
    registries.push(registry)
    return registry
  }
  return {
    database,
    changes,
    clock,
    open,
    openDeaf(options = {}) {
      const asked: string[] = []
      const session = () => Promise.reject(new Error('there is no more room for a session'))
      const registry = open({ database: { pool: noting(database.pool, asked), session }, ...options })
      return { registry, asked }
    },
    putSource: document => putOrThrow(changes, document),
    putStream: document => putStreamOrThrow(changes, document),
    async end() {
      for (const registry of registries) await registry.stop()
      await database.close()
      await temporary.drop()
    },
  }
}

function noting(pool: Database['pool'], asked: string[]): Database['pool'] {
  return new Proxy(pool, {
    get(target, member) {
      const value = Reflect.get(target, member)
      if (typeof value !== 'function') return value
      if (member !== 'query') return value.bind(target)
      return (statement: { name: string }, ...rest: unknown[]) => {
        asked.push(statement.name)
        return value.call(target, statement, ...rest)
      }
    },
  })
}

async function putOrThrow(changes: ChangeDeps, document: Json) {
  return orThrow(await putSource(changes, orThrow(readSource(document)), 'test'))
}

async function putStreamOrThrow(changes: ChangeDeps, document: Json) {
  return orThrow(await putStream(changes, orThrow(readStream(document)), 'test'))
}
