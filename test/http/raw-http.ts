import http, { type IncomingMessage } from 'node:http'
import { connect, type Socket } from 'node:net'

export type HttpAnswer = {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: Buffer
}

export type Sent = {
  readonly method?: string
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  /** In pieces: without a Content-Length, as chunks. */
  readonly body?: Uint8Array | readonly Uint8Array[]
}

/** One connection pool for a test file; unlike fetch, it sends whatever headers it is told to. */
export class HttpClient {
  readonly #agent = new http.Agent({ keepAlive: true, maxSockets: 256 })
  readonly #port: number

  constructor(port: number) {
    this.#port = port
  }

  send({ method = 'POST', path, headers = {}, body = [] }: Sent): Promise<HttpAnswer> {
    return new Promise((resolve, reject) => {
      const options = { host: '127.0.0.1', port: this.#port, method, path, headers, agent: this.#agent }
      const request = http.request(options, response => readAnswer(response).then(resolve, reject))
      let answered = false
      request.on('response', () => {
        answered = true
      })
      // An answer that came before the body was all sent is an answer.
      request.on('error', error => answered || reject(error))
      for (const piece of body instanceof Uint8Array ? [body] : body) request.write(piece)
      request.end()
    })
  }

  close(): void {
    this.#agent.destroy()
  }
}

async function readAnswer(response: IncomingMessage): Promise<HttpAnswer> {
  const chunks: Buffer[] = []
  for await (const chunk of response) chunks.push(chunk)
  return { status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) }
}

/** Everything that comes back on a connection of its own until the server closes it, or it is closed here. */
export async function exchange(port: number, talk: (socket: Socket) => void): Promise<HttpAnswer[]> {
  return readAnswers(await converse(port, talk))
}

/** The same as it came, whatever of it has come. */
export async function converse(port: number, talk: (socket: Socket) => void): Promise<Buffer> {
  const socket = connect(port, '127.0.0.1')
  const chunks: Buffer[] = []
  socket.on('data', chunk => chunks.push(chunk))
  // A reset is how some of these conversations are meant to end.
  socket.on('error', () => undefined)
  await new Promise<void>(resolve => {
    socket.on('close', () => resolve())
    socket.on('connect', () => talk(socket))
  })
  return Buffer.concat(chunks)
}

/** Answers with a Content-Length, one after another. */
function readAnswers(bytes: Buffer): HttpAnswer[] {
  const answers: HttpAnswer[] = []
  let left = bytes
  while (left.length > 0) {
    const end = left.indexOf('\r\n\r\n')
    if (end < 0) throw new Error(`not an answer in HTTP: ${left.toString('latin1', 0, 100)}`)
    const [statusLine = '', ...lines] = left.toString('latin1', 0, end).split('\r\n')
    const headers = Object.fromEntries(
      lines.map(line => [
        line.split(':', 1)[0]?.toLowerCase() ?? '',
        line.slice(line.indexOf(':') + 1).trim(),
      ]),
    )
    const length = Number(headers['content-length'] ?? 0)
    const status = Number(statusLine.split(' ')[1])
    // What only announces that the body is welcome is no answer.
    if (status >= 200) answers.push({ status, headers, body: left.subarray(end + 4, end + 4 + length) })
    left = left.subarray(end + 4 + length)
  }
  return answers
}
