import { Socket } from 'node:net'
import pg from 'pg'
import { explainOpening } from './address.ts'

/** A connection of its holder's own, which emits `end` where it breaks. */
export type Session = pg.Client & {
  /** Without a word to the server, and without waiting for one. */
  cutOff(): void
}

export async function openSession(connection: pg.ClientConfig, url: string): Promise<Session> {
  const socket = new Socket()
  const client = new pg.Client({ ...connection, stream: () => socket })
  // Its holder listens for `end`; unheard, this event would end the process.
  client.on('error', () => undefined)
  try {
    await client.connect()
  } catch (error) {
    // The driver gives up without hanging up where a password is missing. The server would wait a minute for it,
    // and whoever drops a database there would wait with it.
    socket.destroy()
    throw explainOpening(error, url)
  }
  return Object.assign(client, { cutOff: () => void socket.destroy() })
}

/** What is asked of a server that may have gone without a word: then it fails after so long, and the session has ended. */
export async function orCutOff<T>(session: Session, milliseconds: number, answer: Promise<T>): Promise<T> {
  const timer = setTimeout(session.cutOff, milliseconds)
  try {
    return await answer
  } finally {
    clearTimeout(timer)
  }
}
