import { Socket } from 'node:net'
import pg from 'pg'
import { explainOpening } from './address.ts'

/** A server that is there takes its leave in milliseconds. One that has gone without a word never does. */
const LEAVE_MS_MAX = 2_000

/** A connection that is over soon after it was ended, whether its server says anything to that or not. */
export class BoundedClient extends pg.Client {
  readonly #socket: Socket

  constructor(config?: pg.ClientConfig) {
    const socket = new Socket()
    super({ ...config, stream: () => socket })
    this.#socket = socket
  }

  /** Without a word to the server, and without waiting for one. */
  cutOff(): void {
    this.#socket.destroy()
  }

  override end(): Promise<void>
  override end(callback: (error: Error) => void): void
  override end(callback?: (error: Error) => void): Promise<void> | undefined {
    const timer = setTimeout(() => this.cutOff(), LEAVE_MS_MAX).unref()
    this.once('end', () => clearTimeout(timer))
    if (callback === undefined) return super.end()
    super.end(callback)
    return undefined
  }
}

/** A connection of its holder's own, which emits `end` where it breaks. */
export type Session = BoundedClient

export async function openSession(connection: pg.ClientConfig, url: string): Promise<Session> {
  const client = new BoundedClient(connection)
  // Its holder listens for `end`; unheard, this event would end the process.
  client.on('error', () => undefined)
  try {
    await client.connect()
  } catch (error) {
    // The driver gives up without hanging up where a password is missing. The server would wait a minute for it,
    // and whoever drops a database there would wait with it.
    client.cutOff()
    throw explainOpening(error, url)
  }
  return client
}

/** What is asked of a server that may have gone without a word: then it fails after so long, and the session has ended. */
export async function orCutOff<T>(session: Session, milliseconds: number, answer: Promise<T>): Promise<T> {
  const timer = setTimeout(() => session.cutOff(), milliseconds)
  try {
    return await answer
  } finally {
    clearTimeout(timer)
  }
}
