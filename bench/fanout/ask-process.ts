import { fork } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import * as z from 'zod'

/** A process that answers one question at a time. */
export type AskedProcess = {
  ask<T>(question: object, answer: z.ZodType<T>): Promise<T>
  end(): void
}

/** As this file is spelled: built, or as its source. */
export function askProcess(name: string): AskedProcess {
  const file = `${name}${path.extname(import.meta.url)}`
  const child = fork(fileURLToPath(new URL(`../${file}`, import.meta.url)), {
    execArgv: [...process.execArgv, '--expose-gc'],
  })
  return {
    async ask(question, answer) {
      child.send(question)
      const [said] = await once(child, 'message')
      const failed = z.object({ failed: z.string() }).safeParse(said)
      if (failed.success) throw new Error(failed.data.failed)
      return answer.parse(said)
    },
    end: () => void child.disconnect(),
  }
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
