import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'

export type SmallServer = {
  readonly url: string
  /** Gone, as a process that was ended. */
  stop(): Promise<void>
  /** On the same port. */
  startAgain(): Promise<void>
}

export type Reply = {
  readonly status: number
  readonly body: string
  readonly type?: string
  readonly headers?: Readonly<Record<string, string>>
}

/** A server of a test's own, on a free port. A reply of undefined is none: the connection is cut off. */
export async function smallServer(
  reply: (request: IncomingMessage, body: string) => Reply | undefined | Promise<Reply | undefined>,
): Promise<SmallServer> {
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const parts: Buffer[] = []
    for await (const part of request) parts.push(part)
    const given = await reply(request, Buffer.concat(parts).toString())
    if (given === undefined) request.socket.destroy()
    else
      response
        .writeHead(given.status, { 'content-type': given.type ?? 'application/json', ...given.headers })
        .end(given.body)
  }
  const listen = async (port: number) => {
    const server = createServer((request, response) => {
      // What is wrong with the test's own server is shown to the test, as what was answered.
      answer(request, response).catch(error => response.writeHead(500).end(String(error)))
    })
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
    return server
  }
  let server = await listen(0)
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('a listening server has a port')
  return {
    url: `http://127.0.0.1:${address.port}`,
    async stop() {
      if (!server.listening) return
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
    async startAgain() {
      server = await listen(address.port)
    },
  }
}
