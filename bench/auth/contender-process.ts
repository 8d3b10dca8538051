import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { opened, type Setting, spent } from './messages.ts'

export type RunningContender = {
  readonly url: string
  cpuMs(): Promise<number>
  end(): Promise<unknown>
}

export async function runContender(setting: Setting): Promise<RunningContender> {
  // Run from source or built, it is the one with the same ending as this file.
  const program = new URL(`../auth-process${path.extname(import.meta.url)}`, import.meta.url)
  const child = fork(fileURLToPath(program), { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  const { port } = opened.parse(await tell(child, setting))
  return {
    url: `http://127.0.0.1:${port}`,
    cpuMs: async () => spent.parse(await tell(child, {})).cpuMs,
    async end() {
      const ended = once(child, 'exit')
      child.disconnect()
      await ended
    },
  }
}

function tell(child: ChildProcess, message: object): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const onExit = (code: number | null) => {
      child.off('message', onMessage)
      reject(new Error(`the process of a contender ended (${code})`))
    }
    const onMessage = (said: unknown) => {
      child.off('exit', onExit)
      resolve(said)
    }
    child.once('exit', onExit)
    child.once('message', onMessage)
    child.send(message)
  })
}
