import path from 'node:path'
import { Worker } from 'node:worker_threads'

export type Thread<In> = {
  post(message: In): void
  /** Resolves once it has ended, whether it was asked to or not. */
  readonly ended: Promise<void>
  /** From now on it may end. */
  mayEnd(): void
  /** Ends it wherever it is; for one that keeps nothing. */
  end(): Promise<void>
}

export type ThreadOptions<Out> = {
  /** Its `workerData`, which is copied. */
  readonly data: unknown
  onMessage(message: Out): void
  /** It has thrown, or has ended without being asked to; told once, and then it is gone. */
  onFailure(error: Error): void
}

/** Runs a program of ours in a thread of this process, with modules and memory of its own. */
export function startThread<In, Out>(
  program: URL,
  { data, onMessage, onFailure }: ThreadOptions<Out>,
): Thread<In> {
  const worker = workerOf(program, data)
  let mayEnd = false
  let failed = false
  const fail = (error: Error) => {
    if (failed) return
    failed = true
    onFailure(error)
  }
  worker.on('message', onMessage)
  worker.on('messageerror', fail)
  worker.on('error', error => fail(error instanceof Error ? error : new Error(String(error))))
  const ended = new Promise<void>(resolve =>
    worker.on('exit', code => {
      resolve()
      if (!mayEnd) fail(new Error(`the thread has ended with exit code ${code}, and nobody has asked it to`))
    }),
  )
  return {
    post: message => worker.postMessage(message),
    ended,
    mayEnd() {
      mayEnd = true
    },
    async end() {
      mayEnd = true
      await worker.terminate()
    },
  }
}

function workerOf(program: URL, workerData: unknown): Worker {
  if (path.extname(program.pathname) !== '.ts') return new Worker(program, { workerData })
  // A thread reads sources by itself no better than a process does, and what its process reads them with is not passed on.
  const read = `import('tsx/esm/api').then(({ register }) => { register(); return import(${JSON.stringify(program.href)}) })`
  return new Worker(read, { eval: true, workerData, execArgv: ['--conditions=source'] })
}
