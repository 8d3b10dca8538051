import { closeSync, openSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import path from 'node:path'

/**
 * PostgreSQL writes and rotates its own log; a file per server start takes what is said before that begins.
 * What it cannot do is delete: `pruneLogs` does.
 */
export const logSettings = (logs: string): Readonly<Record<string, string>> => ({
  logging_collector: 'on',
  log_directory: logs,
  log_filename: `${serverPrefix}%Y%m%d-%H%M%S.log`,
  log_rotation_size: '10MB',
  log_rotation_age: '1d',
  log_line_prefix: '%m [%p] ',
  // Statements, and the details of why one was refused, hold what publishers sent; the client is told them anyway.
  log_min_error_statement: 'panic',
  log_error_verbosity: 'terse',
  log_checkpoints: 'off',
})

export const logFilesMax = 10

type StartLog = {
  /** For the server; once it has it, ours can be closed. */
  readonly fd: number
  close(): void
  /** What the server of this process id has said since this start, its own log included. */
  read(pid: number | undefined): Said
}

export type Said = {
  readonly words: string
  /** Nothing is under way to its log any more, if it has ended. */
  readonly whole: boolean
}

export function openStartLog(logs: string): StartLog {
  const since = Date.now()
  const file = path.join(logs, `${startPrefix}${process.pid}-${since}.log`)
  const fd = openSync(file, 'w', 0o600)
  const read = (pid: number | undefined): Said => {
    const start = tail(file)
    const later = newestFirst(logs, serverPrefix).find(({ mtimeMs }) => mtimeMs >= since - clockGrainMs)
    const own = later === undefined ? '' : linesFrom(tail(later.file), `[${pid}]`)
    return {
      words: `${start}\n${own}`,
      whole: !start.includes(toCollector) || own.includes(lastLine),
    }
  }
  return { fd, close: () => closeSync(fd), read }
}

export function pruneLogs(logs: string): void {
  for (const prefix of [serverPrefix, startPrefix])
    for (const { file } of newestFirst(logs, prefix).slice(logFilesMax)) rmSync(file, { force: true })
}

const [serverPrefix, startPrefix] = ['server-', 'start-']
const tailBytes = 8192
const [toCollector, lastLine] = ['redirecting log output', 'database system is shut down']
// A file system may keep times in coarser steps than the clock.
const clockGrainMs = 20

function newestFirst(logs: string, prefix: string): { readonly file: string; readonly mtimeMs: number }[] {
  return readdirSync(logs)
    .filter(name => name.startsWith(prefix))
    .flatMap(name => {
      const file = path.join(logs, name)
      const found = statSync(file, { throwIfNoEntry: false })
      return found === undefined ? [] : [{ file, mtimeMs: found.mtimeMs }]
    })
    .sort((a, b) => b.mtimeMs - a.mtimeMs)
}

function tail(file: string): string {
  return readFileSync(file, 'utf8').slice(-tailBytes)
}

/** A server that was started in the same second as the one before it goes on in its file. */
function linesFrom(text: string, mark: string): string {
  const at = text.indexOf(mark)
  return at === -1 ? '' : text.slice(text.lastIndexOf('\n', at) + 1)
}
