import { randomInt } from 'node:crypto'
import { chownSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import path from 'node:path'
import { errorCode } from '../../../runtime/error-code.ts'

export const loopback = '127.0.0.1'

/** Where this database was last reached, so that an address somebody wrote down stays true. */
export function rememberedPort(home: string): number | undefined {
  try {
    const port = Number(readFileSync(path.join(home, 'port'), 'utf8'))
    return Number.isInteger(port) && port > 0 && port < 65_536 ? port : undefined
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined
    throw error
  }
}

export function rememberPort(home: string, port: number): void {
  if (rememberedPort(home) === port) return
  const draft = path.join(home, `port.${process.pid}-0`)
  writeFileSync(draft, `${port}\n`, { mode: 0o600 })
  // Root may be running the server of an ordinary user, who is to read this next time.
  const { uid, gid } = statSync(home)
  if (process.getuid?.() === 0) chownSync(draft, uid, gid)
  renameSync(draft, path.join(home, 'port'))
}

/** A free port below those that systems hand out to outgoing connections, which would take it now and then. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < triesMax; tries++) {
    const port = randomInt(lowest, highest)
    if (await isFree(port)) return port
  }
  throw new Error(`There is no free port between ${lowest} and ${highest} on ${loopback}.`)
}

const [lowest, highest] = [20_000, 32_000]
const triesMax = 100

function isFree(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const probe = createServer()
    probe.once('error', () => resolve(false))
    probe.listen(port, loopback, () => probe.close(() => resolve(true)))
  })
}
