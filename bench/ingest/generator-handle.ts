import { type ChildProcess, fork } from 'node:child_process'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import type * as z from 'zod'
import { type Attack, type Command, failure } from './commands.ts'

/** Those who send, in a process of their own. */
type Senders<Asked> = {
  ask<Schema extends z.ZodType>(command: Asked, answer: Schema): Promise<z.output<Schema>>
  end(): Promise<void>
}
export type Generator = Senders<Command>

/** The publishers. */
export function startGenerator(): Generator {
  return start('ingest-generator-process')
}

/** Who sends what no publisher sends. */
export function startHostile(): Senders<Attack> {
  return start('ingest-hostile-process')
}

function start<Asked extends { readonly what: string }>(name: string): Senders<Asked> {
  // Run from source or built, it is the neighbour with the same ending as this file.
  const program = new URL(`../${name}${path.extname(import.meta.url)}`, import.meta.url)
  const child = fork(fileURLToPath(program), { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  return {
    async ask(command, schema) {
      const answer = await answerOf(child, command)
      const failed = failure.safeParse(answer)
      if (failed.success) throw new Error(`the generator failed at "${command.what}": ${failed.data.failed}`)
      return schema.parse(answer)
    },
    async end() {
      if (child.exitCode !== null || child.signalCode !== null) return
      const ended = new Promise(resolve => child.once('exit', resolve))
      if (child.connected) child.disconnect()
      await ended
    },
  }
}

function answerOf(child: ChildProcess, command: { readonly what: string }): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const onExit = () => reject(new Error(`the generator ended while it was asked to ${command.what}`))
    child.once('exit', onExit)
    child.once('message', answer => {
      child.off('exit', onExit)
      resolve(answer)
    })
    child.send(command)
  })
}
