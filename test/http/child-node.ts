import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { assayProgram } from '../support/assay-program.ts'
import { temporaryDatabase } from '../support/database.ts'
import type { TemporaryDatabase } from '../support/new-database.ts'

/** A node in a process of its own, as `assay node` starts it: its memory is its own, and it can die. */
export type ChildNode = {
  readonly url: string
  readonly port: number
  readonly process: ChildProcess
  readonly database: TemporaryDatabase
  /** Every line it has written so far, to either stream. */
  readonly lines: readonly string[]
  /** What /metrics says now, by name; with labels in it where there are some. */
  metrics(): Promise<ReadonlyMap<string, number>>
  /** Stops it as a supervisor would; resolves with its exit code. */
  stop(): Promise<number | null>
  end(): Promise<void>
}

const root = fileURLToPath(new URL('../../', import.meta.url))

export async function childNode(
  env: Readonly<Record<string, string>> = {},
  nodeFlags: readonly string[] = [],
): Promise<ChildNode> {
  const database = await temporaryDatabase()
  const child = spawn(process.execPath, [...nodeFlags, ...assayProgram, 'node'], {
    cwd: root,
    env: {
      ...process.env,
      PORT: '0',
      LOCAL_BLOCK_MS: '50',
      LOG_LEVEL: 'warn',
      DATABASE_URL: database.url,
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const ended = once(child, 'exit')
  const lines: string[] = []
  const url = await new Promise<string>((resolve, reject) => {
    const read = (line: string) => {
      lines.push(line)
      const [, running] = /is running at (\S+) /.exec(line) ?? []
      if (running !== undefined) resolve(running)
    }
    for (const stream of [child.stdout, child.stderr]) createInterface({ input: stream }).on('line', read)
    ended.then(() => reject(new Error(`the node ended before it was up:\n${lines.join('\n')}`)), reject)
  })
  const stop = async () => {
    child.kill('SIGTERM')
    await ended
    return child.exitCode
  }
  return {
    url,
    port: Number(new URL(url).port),
    process: child,
    database,
    lines,
    async metrics() {
      const response = await fetch(`${url}/metrics`)
      return readMetrics(await response.text())
    },
    stop,
    async end() {
      if (child.exitCode === null && child.signalCode === null) await stop()
      await database.drop()
    },
  }
}

function readMetrics(text: string): Map<string, number> {
  return new Map(
    text
      .split('\n')
      .filter(line => line !== '' && !line.startsWith('#'))
      .map(line => {
        const gap = line.lastIndexOf(' ')
        return [line.slice(0, gap), Number(line.slice(gap + 1))]
      }),
  )
}
