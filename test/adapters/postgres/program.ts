import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

/** A file of ours, run as a process of its own. */
export type Program = {
  readonly process: ChildProcess
  /** The next line it says, read as JSON. */
  next(): Promise<Record<string, unknown>>
  tell(line: string): void
  ended: Promise<unknown>
}

/** `before` goes in front of the command line, as `runuser -u somebody --` does. */
export function runProgram(
  file: URL,
  args: readonly string[],
  before: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
): Program {
  const node = [process.execPath, '--conditions=source', '--import', 'tsx', fileURLToPath(file), ...args]
  const [command = '', ...rest] = [...before, ...node]
  const child = spawn(command, rest, { stdio: ['pipe', 'pipe', 'inherit'], env: { ...process.env, ...env } })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  return {
    process: child,
    next: async () => {
      const { done, value } = await lines.next()
      if (done === true) throw new Error(`${file} ended without a word`)
      return JSON.parse(value)
    },
    tell: line => child.stdin.write(`${line}\n`),
    ended: once(child, 'exit'),
  }
}
