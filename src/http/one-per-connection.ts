import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

export type Answer = (request: IncomingMessage, response: ServerResponse) => void

/**
 * One request of a connection after the other, each once the answer before it is out: whoever sends many at once and
 * reads nothing has one answer waiting here, and not all of them.
 */
export function onePerConnection(waitingMax: number, answer: Answer): Answer {
  const lines = new WeakMap<Socket, Line>()
  return (request, response) => {
    const { socket } = request
    const line = lines.get(socket) ?? { waiting: [], isBusy: false }
    lines.set(socket, line)
    if (line.waiting.length === waitingMax) return void socket.destroy()
    line.waiting.push({ request, response })
    if (!line.isBusy) answerNext(line, answer)
  }
}

type Line = { readonly waiting: Exchange[]; isBusy: boolean }
type Exchange = { readonly request: IncomingMessage; readonly response: ServerResponse }

function answerNext(line: Line, answer: Answer): void {
  const next = line.waiting.shift()
  line.isBusy = next !== undefined && !next.request.socket.destroyed
  if (next === undefined || !line.isBusy) return
  next.response.once('close', () => answerNext(line, answer))
  answer(next.request, next.response)
}
