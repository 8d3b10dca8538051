import { createInterface } from 'node:readline'
import { startEmbeddedServer } from '../../../src/adapters/postgres/embedded-server.ts'
import { silentLog } from '../../support/silent-log.ts'

// A process of its own that uses an embedded server: says what it got, one JSON per line, and stops when told to.
const [dataDir = '', settings = '{}'] = process.argv.slice(2)
const say = (line: object) => process.stdout.write(`${JSON.stringify(line)}\n`)
try {
  const server = await startEmbeddedServer({ dataDir, log: silentLog, settings: JSON.parse(settings) })
  say({ pid: process.pid, url: server.url, adopted: server.adopted })
  for await (const _ of createInterface({ input: process.stdin })) {
    say({ stop: await server.stop() })
    break
  }
} catch (error) {
  say({ error: error instanceof Error ? error.message : String(error) })
}
