import { type ChildProcess, fork } from 'node:child_process'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import type * as z from 'zod'
import { type Command, failure } from './commands.ts'

/** A contender in its process. */
export type ContenderHandle = {
  /** `answer`: the one of `answers` that belongs to the command. */
  ask<Schema extends z.ZodType>(command: Command, answer: Schema): Promise<z.output<Schema>>
  /** Ends the process. */
  end(): Promise<void>
}

export function startContender(): ContenderHandle {
  // Run from source or built, it is the neighbour with the same ending as this file.
  const program = new URL(`../contender-process${path.extname(import.meta.url)}`, import.meta.url)
  const child = fork(fileURLToPath(program), { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  const ask: ContenderHandle['ask'] = async (command, schema) => {
    const answer = await answerOf(child, command)
    const failed = failure.safeParse(answer)
    if (failed.success) throw new Error(`a contender failed at "${command.what}": ${failed.data.failed}`)
    return schema.parse(answer)
  }
  return {
    ask,
    async end() {
      if (child.exitCode !== null || child.signalCode !== null) return
      const ended = new Promise(resolve => child.once('exit', resolve))
      if (child.connected) child.disconnect()
      await ended
    },
  }
}

function answerOf(child: ChildProcess, command: Command): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const onExit = (code: number | null, signal: string | null) => {
      child.off('message', onMessage)
      reject(
        new Error(`a contender's process ended (${signal ?? code}) while it was asked to ${command.what}`),
      )
    }
    const onMessage = (message: unknown) => {
      child.off('exit', onExit)
      resolve(message)
    }
    child.once('exit', onExit)
    child.once('message', onMessage)
    child.send(command)
  })
}
