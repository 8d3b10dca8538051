import { connect, type Socket } from 'node:net'

/**
 * HTTP with nothing to spare: one connection that is kept, one request at a time on it. A client's usual comforts cost
 * more than what is measured.
 */
export type Connection = {
  /** Resolves with the status once the whole answer is there. */
  post(path: string, body: Uint8Array): Promise<number>
  /** The same, with what was answered. */
  ask(path: string, body: Uint8Array): Promise<{ readonly status: number; readonly text: string }>
  close(): void
}

export async function openConnection(url: string, contentType: string): Promise<Connection> {
  const { hostname, port, host } = new URL(url)
  const socket = connect(Number(port), hostname)
  socket.setNoDelay(true)
  await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject))
  const answers = answersOf(socket)
  const send = (path: string, body: Uint8Array) => {
    socket.cork()
    socket.write(
      `POST ${path} HTTP/1.1\r\nHost: ${host}\r\nContent-Type: ${contentType}\r\nContent-Length: ${body.length}\r\n\r\n`,
      'latin1',
    )
    socket.write(body)
    socket.uncork()
  }
  return {
    post(path, body) {
      const answer = answers.next()
      send(path, body)
      return answer
    },
    async ask(path, body) {
      const kept: Buffer[] = []
      const answer = answers.next(kept)
      send(path, body)
      return { status: await answer, text: Buffer.concat(kept).toString('utf8') }
    },
    close: () => void socket.destroy(),
  }
}

/** With `kept`, the bodies of answers are added to it. */
function answersOf(socket: Socket): { next(kept?: Buffer[]): Promise<number> } {
  let waiting: { resolve(status: number): void; reject(error: Error): void } | undefined
  let head = ''
  let bodyLeft: number | undefined
  let keptIn: Buffer[] | undefined
  let status = 0
  const fail = (error: Error) => {
    waiting?.reject(error)
    waiting = undefined
  }
  socket.on('error', fail)
  socket.on('close', () => fail(new Error('the node hung up')))
  socket.on('data', chunk => {
    let bodyHere = chunk.length
    if (bodyLeft === undefined) {
      head += chunk.toString('latin1')
      const end = head.indexOf('\r\n\r\n')
      if (end < 0) return
      bodyHere = head.length - end - 4
      status = Number(head.slice(9, 12))
      const length = /\r\ncontent-length: *(\d+)/i.exec(head.slice(0, end))?.[1]
      if (length === undefined) return fail(new Error(`an answer without a length: ${head.slice(0, 200)}`))
      bodyLeft = Number(length)
      head = ''
    }
    keptIn?.push(chunk.subarray(chunk.length - bodyHere))
    bodyLeft -= bodyHere
    if (bodyLeft > 0) return
    bodyLeft = undefined
    waiting?.resolve(status)
    waiting = undefined
  })
  return {
    next(kept) {
      keptIn = kept
      return new Promise((resolve, reject) => {
        // What was closed while nobody asked anything does not say so again.
        if (socket.destroyed) reject(new Error('the node hung up'))
        else waiting = { resolve, reject }
      })
    },
  }
}
