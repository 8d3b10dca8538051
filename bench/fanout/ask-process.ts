import { type ChildProcess, fork } from 'node:child_process'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import * as z from 'zod'

/** A process that answers one question at a time. */
export type AskedProcess = {
  readonly pid: number
  ask<T>(question: object, answer: z.ZodType<T>): Promise<T>
  end(): void
}

/** As this file is spelled: built, or as its source. */
export function askProcess(name: string): AskedProcess {
  const file = `${name}${path.extname(import.meta.url)}`
  const child = fork(fileURLToPath(new URL(`../${file}`, import.meta.url)), {
    execArgv: [...process.execArgv, '--expose-gc'],
  })
  const { pid } = child
  if (pid === undefined) throw new Error(`${file} could not be started`)
  return {
    pid,
    async ask(question, answer) {
      const said = await answerOf(child, question, file)
      const failed = z.object({ failed: z.string() }).safeParse(said)
      if (failed.success) throw new Error(failed.data.failed)
      return answer.parse(said)
    },
    end() {
      if (child.connected) child.disconnect()
    },
  }
}

function answerOf(child: ChildProcess, question: object, file: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const onExit = (code: number | null) => reject(new Error(`${file} ended with ${code} while it was asked`))
    child.once('exit', onExit)
    child.once('message', answer => {
      child.off('exit', onExit)
      resolve(answer)
    })
    child.send(question)
  })
}

/** The other side of it. */
export function answerAsked<T>(read: z.ZodType<T>, answer: (asked: T) => Promise<object>): void {
  process.on('message', async message => {
    try {
      process.send?.(await answer(read.parse(message)))
    } catch (error) {
      process.send?.({ failed: error instanceof Error ? (error.stack ?? error.message) : String(error) })
    }
  })
  process.on('disconnect', () => process.exit())
}
