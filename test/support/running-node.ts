import { randomBytes } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { PublicChainOptions } from '../../src/node/public-chain.ts'
import { type RunningNode, startNode } from '../../src/node.ts'
import { readSettings } from '../../src/runtime/settings.ts'
import { temporaryDatabase } from './database.ts'
import { silentLog } from './silent-log.ts'

export type TestNode = RunningNode & {
  readonly databaseUrl: string
  dropDatabase(): Promise<void>
  /** Stops it and takes its database away. */
  end(): Promise<void>
}

/** A whole node in this process, on a free port and a database of its own. */
export async function runningNode(
  env: Readonly<Record<string, string>> = {},
  options: PublicChainOptions = {},
): Promise<TestNode> {
  const database = await temporaryDatabase()
  // Made by whatever needs it first.
  const dataDir = path.join(tmpdir(), `assay-node-${randomBytes(6).toString('hex')}`)
  const settings = readSettings({
    PORT: '0',
    ASSAY_MASTER_KEY: '11'.repeat(32),
    // Blocks come when a test makes something to mine, and not before.
    FUEL_HORIZON_S: '0',
    DATABASE_URL: database.url,
    ASSAY_DATA_DIR: dataDir,
    ...((env['ASSAY_NETWORK'] ?? 'local') === 'local' && { LOCAL_BLOCK_MS: '50' }),
    ...env,
  })
  const node = await startNode(settings, silentLog, options)
  return {
    ...node,
    databaseUrl: database.url,
    dropDatabase: database.drop,
    async end() {
      await node.stop()
      await database.drop()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}
