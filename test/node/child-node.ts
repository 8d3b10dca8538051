import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { assayProgram } from '../support/assay-program.ts'
import { until } from '../support/until.ts'

/** A command of ours as a process of its own, as a person would start it. */
export type Child = {
  readonly pid: number
  /** Everything it has written so far, to either stream. */
  said(): string
  readonly exited: Promise<Exit>
  hasExited(): boolean
  signal(name: NodeJS.Signals): void
  /** SIGKILL; resolves once it is gone. */
  kill(): Promise<void>
}

export type Exit = { readonly code: number | null; readonly signal: NodeJS.Signals | null }

export type ChildNode = Child & {
  readonly url: string
  /** Resolves once it takes traffic; throws, with what it said, where it ends before. */
  ready(): Promise<void>
}

export type ChildSettings = Readonly<Record<string, string>>

/** `assay <args>`, with these settings and nothing else of the environment but what programs are found by. */
export function startChild(
  args: readonly string[],
  settings: ChildSettings,
  program: readonly string[] = assayProgram,
): Child {
  const { PATH, HOME, TMPDIR } = process.env
  const child = spawn(process.execPath, [...program, ...args], {
    cwd: root,
    env: { PATH, HOME, TMPDIR, LOG_LEVEL: 'warn', ...settings },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let said = ''
  let exit: Exit | undefined
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', text => {
      said = (said + text).slice(-SAID_MAX)
    })
  const exited = once(child, 'exit').then(([code, signal]): Exit => {
    exit = { code, signal }
    return exit
  })
  if (child.pid === undefined) throw new Error(`${process.execPath} could not be started`)
  return {
    pid: child.pid,
    said: () => said,
    exited,
    hasExited: () => exit !== undefined,
    signal: name => void child.kill(name),
    async kill() {
      child.kill('SIGKILL')
      await exited
    },
  }
}

export function startChildNode(settings: ChildSettings & { readonly PORT: string }): ChildNode {
  const child = startChild(['node'], settings)
  const url = `http://127.0.0.1:${settings.PORT}`
  return {
    ...child,
    url,
    async ready() {
      await until(() => {
        if (child.hasExited()) throw new Error(`the node ended before it was ready:\n${child.said()}`)
        return isReady(url)
      })
    },
  }
}

export async function isReady(url: string): Promise<boolean> {
  try {
    const response = await fetch(`${url}/health/ready`, { signal: AbortSignal.timeout(ANSWER_MS_MAX) })
    await response.arrayBuffer()
    return response.ok
  } catch {
    // Not listening yet, or not answering: asked again.
    return false
  }
}

const SAID_MAX = 20_000
const ANSWER_MS_MAX = 5_000
const root = fileURLToPath(new URL('../..', import.meta.url))
