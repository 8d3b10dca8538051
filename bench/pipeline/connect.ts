import { get } from 'node:http'
import { WebSocket } from 'ws'

/** One connection of a stock client. */
export type Connection = { pause(): void; resume(): void; destroy(): void }

export type Heard = {
  /** A message, with the position that came with it. */
  onMessage(json: string, cursor: string | undefined): void
  onEnd(why: string): void
}

export type Target = { readonly port: number; readonly path: string; readonly cursor: string }

export function connectSse({ port, path, cursor }: Target, { onMessage, onEnd }: Heard): Connection {
  let stream: { pause(): void; resume(): void } | undefined
  let isPaused = false
  let rest: Buffer = Buffer.alloc(0)
  const take = (block: string) => {
    const [, id] = /^id: (.*)$/m.exec(block) ?? []
    const [, data] = /^data: (.*)$/m.exec(block) ?? []
    if (data !== undefined) onMessage(data, id)
  }
  const headers = { Accept: 'text/event-stream', 'Last-Event-ID': cursor }
  const request = get({ host: '127.0.0.1', port, path, headers, agent: false }, response => {
    response.on('close', () => onEnd(`closed ${response.statusCode}`))
    // It is closed right after.
    response.on('error', () => undefined)
    stream = response
    response.on('data', (chunk: Buffer) => {
      const all = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
      let from = 0
      for (let end = all.indexOf('\n\n'); end >= 0; end = all.indexOf('\n\n', from)) {
        take(all.toString('latin1', from, end))
        from = end + 2
      }
      rest = all.subarray(from)
    })
    if (isPaused) response.pause()
  })
  request.on('error', error => onEnd(error.message))
  return {
    pause() {
      isPaused = true
      stream?.pause()
    },
    resume() {
      isPaused = false
      stream?.resume()
    },
    destroy: () => void request.destroy(),
  }
}

export function connectWebSocket({ port, path, cursor }: Target, { onMessage, onEnd }: Heard): Connection {
  const socket = new WebSocket(`ws://127.0.0.1:${port}${path}&last_event_id=${cursor}`, {
    perMessageDeflate: false,
  })
  socket.on('message', (data: Buffer) => {
    const json = data.toString('latin1')
    const at = json.lastIndexOf(',"cursor":"')
    onMessage(json, at < 0 ? undefined : json.slice(at + 11, -2))
  })
  socket.on('close', (code, reason) => onEnd(`${code} ${reason}`))
  socket.on('error', error => onEnd(error.message))
  return {
    pause: () => socket.pause(),
    resume: () => socket.resume(),
    destroy: () => socket.terminate(),
  }
}
