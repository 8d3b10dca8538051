import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { backOff } from '../runtime/back-off.ts'
import type { Log } from '../runtime/log.ts'
import { pause } from '../runtime/pause.ts'

/** A command of ours in a process of its own, started again whenever it ends, until it is stopped. */
export function keepRunning(
  name: string,
  args: readonly string[],
  log: Log,
  settings: Readonly<Record<string, string>>,
): { stop(): Promise<void> } {
  const stopping = new AbortController()
  let child: ChildProcess | undefined
  const run = async () => {
    let failures = 0
    while (!stopping.signal.aborted) {
      const startedMs = performance.now()
      child = start(args, settings)
      const how = await ended(child)
      if (stopping.signal.aborted) return
      failures = performance.now() - startedMs > STEADY_MS ? 1 : failures + 1
      log.warn({ name, how }, 'a process of this node has ended, and is started again')
      await pause(backOff(failures, { longestMs: AGAIN_MS_MAX }), stopping.signal)
    }
  }
  const running = run()
  return {
    async stop() {
      stopping.abort()
      child?.kill('SIGTERM')
      const timer = setTimeout(() => child?.kill('SIGKILL'), STOP_MS_MAX)
      await running
      clearTimeout(timer)
    },
  }
}

/** Whatever has run so long has not failed to start. */
const STEADY_MS = 60_000
const AGAIN_MS_MAX = 60_000
const STOP_MS_MAX = 15_000

function start(args: readonly string[], settings: Readonly<Record<string, string>>): ChildProcess {
  // In a group of its own: Ctrl-C is for its parent, which then stops it in order. Its standard input ends with its parent.
  return spawn(process.execPath, [...process.execArgv, program, ...args], {
    env: { ...programs(), ...settings },
    stdio: ['pipe', 'inherit', 'inherit'],
    detached: true,
    windowsHide: true,
  })
}

/** What programs are found and run by. Everything else is told by name: a parent's secrets are not its children's. */
function programs(): NodeJS.ProcessEnv {
  const names = [
    'PATH',
    'HOME',
    'TMPDIR',
    'TEMP',
    'SystemRoot',
    'NODE_OPTIONS',
    'NODE_EXTRA_CA_CERTS',
    'LOG_LEVEL',
  ]
  return Object.fromEntries(
    names.flatMap(name => (process.env[name] === undefined ? [] : [[name, process.env[name]]])),
  )
}

async function ended(child: ChildProcess): Promise<string> {
  try {
    const [code, signal]: unknown[] = await once(child, 'exit')
    return `${signal ?? `exit code ${code}`}`
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

/** As this file is spelled: built, or as its source. */
const program = fileURLToPath(new URL(`./assay${path.extname(import.meta.url)}`, import.meta.url))
