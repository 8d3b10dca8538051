import { fork } from 'node:child_process'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { freePort } from '../../test/support/free-port.ts'

export type IngestNode = {
  readonly url: string
  readonly pid: number
  stop(): Promise<void>
}

/** `assay node` as a process of its own, with the sources of the benchmark. */
export async function startIngestNode(
  folder: string,
  databaseUrl: string,
  sources: readonly object[],
): Promise<IngestNode> {
  const program = new URL(`../../src/bin/assay${path.extname(import.meta.url)}`, import.meta.url)
  const port = await freePort()
  const child = fork(fileURLToPath(program), ['node'], {
    // What it tells a person who starts it is not the benchmark's.
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    env: {
      ...process.env,
      PORT: String(port),
      DATABASE_URL: databaseUrl,
      ASSAY_DATA_DIR: path.join(folder, 'node'),
      INGEST_SOURCES_JSON: JSON.stringify(sources),
      LOG_LEVEL: 'warn',
      // The chain has nothing to do here.
      LOCAL_BLOCK_MS: '3600000',
      FUEL_HORIZON_S: '0',
      // What a node does for want of agents is not ingest, and takes as much time as it gets.
      EVENT_DEGRADED_MODE: 'wait',
    },
  })
  const { pid } = child
  if (pid === undefined) throw new Error('the node could not be started')
  const exited = new Promise<void>(resolve => child.once('exit', () => resolve()))
  const url = `http://127.0.0.1:${port}`
  while (!(await isReady(url))) {
    if (child.exitCode !== null) throw new Error(`the node ended with ${child.exitCode} before it was ready`)
    await sleep(LOOK_EVERY_MS)
  }
  return {
    url,
    pid,
    async stop() {
      child.kill('SIGTERM')
      await exited
    },
  }
}

const LOOK_EVERY_MS = 100

async function isReady(url: string): Promise<boolean> {
  try {
    const response = await fetch(`${url}/health/ready`)
    await response.arrayBuffer()
    return response.ok
  } catch {
    // Not listening yet.
    return false
  }
}
