import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import * as z from 'zod'
import type { UhrpBed } from '../support/uhrp-bed.ts'

/** The routes of a bed's content, served by another process. */
export type StorageChild = {
  readonly url: string
  readonly port: number
  rssBytes(): Promise<number>
  /** SIGKILL; resolves once it is gone. */
  kill(): Promise<void>
}

export async function storageChild({ databaseUrl, directory }: UhrpBed): Promise<StorageChild> {
  const child = fork(
    fileURLToPath(new URL('storage-process.ts', import.meta.url)),
    [databaseUrl, directory],
    {
      execArgv: ['--conditions=source', '--import', 'tsx'],
    },
  )
  const exited = once(child, 'exit')
  const { url } = z.object({ url: z.string() }).parse(await messageOf(child))
  return {
    url,
    port: Number(new URL(url).port),
    async rssBytes() {
      child.send('memory')
      return z.object({ rss: z.number() }).parse(await messageOf(child)).rss
    },
    async kill() {
      child.kill('SIGKILL')
      await exited
    },
  }
}

function messageOf(child: ChildProcess): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const leave = () => reject(new Error('the process that serves the store has ended'))
    child.once('exit', leave)
    child.once('message', message => {
      child.off('exit', leave)
      resolve(message)
    })
  })
}
