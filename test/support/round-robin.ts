import http from 'node:http'
import type { AddressInfo } from 'node:net'

/** What a balancer does that knows nothing of sessions: each request goes to the next one. */
export async function roundRobin(
  ports: readonly number[],
): Promise<{ readonly url: string; readonly served: ReadonlyMap<number, number>; close(): Promise<void> }> {
  const served = new Map<number, number>()
  let next = 0
  const server = http.createServer((request, response) => {
    const port = ports[next++ % ports.length] ?? 0
    served.set(port, (served.get(port) ?? 0) + 1)
    const onward = http.request(
      { host: '127.0.0.1', port, path: request.url, method: request.method, headers: request.headers },
      answer => {
        response.writeHead(answer.statusCode ?? 502, answer.headers)
        answer.pipe(response)
        answer.on('error', () => response.destroy())
      },
    )
    onward.on('error', () => response.writeHead(502).end())
    request.pipe(onward)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    served,
    close() {
      server.closeAllConnections()
      return new Promise(resolve => server.close(() => resolve()))
    },
  }
}
