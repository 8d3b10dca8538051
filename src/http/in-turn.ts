import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

export type Answer = (request: IncomingMessage, response: ServerResponse) => void

/**
 * One request of a connection after the other, each once the answer before it is out: whoever sends many at once and
 * reads nothing has one answer waiting here, and not all of them.
 */
export function inTurn(waitingMax: number, answer: Answer): Answer {
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

/** Looks for answers that were given in full so long ago and are not read to their end, and ends their connections. */
export function cutOffUnread(underWay: ReadonlySet<ServerResponse>, answerMsMax: number): { stop(): void } {
  const endedMs = new WeakMap<ServerResponse, number>()
  const looking = setInterval(
    () => {
      const nowMs = performance.now()
      for (const response of underWay) {
        // What is still being written has a bound of its own, as its writer knows what it waits for.
        if (!response.writableEnded) continue
        const sinceMs = endedMs.get(response) ?? nowMs
        endedMs.set(response, sinceMs)
        if (nowMs - sinceMs >= answerMsMax) response.destroy()
      }
    },
    Math.min(LOOK_MS, answerMsMax),
  ).unref()
  return { stop: () => clearInterval(looking) }
}

const LOOK_MS = 1000
