import type { ServerResponse } from 'node:http'
import type { Sink } from '../../../serve/live/ports.ts'
import { drained } from './drained.ts'
import { WORDS_MS_MAX } from './last-words.ts'

/** So long a client waits before it connects again. */
const RETRY_MS = 2_000

/** Begins an answer that goes on for as long as both like. */
export function openSseSink(response: ServerResponse): Sink {
  const { socket } = response
  // A client whose machine has gone says nothing any more; the kernel finds out.
  socket?.setKeepAlive(true, KEEP_ALIVE_MS)
  socket?.setNoDelay(true)
  response.writeHead(200, {
    'Content-Type': 'text/event-stream; charset=utf-8',
    'Cache-Control': 'no-cache, no-transform',
    Connection: 'keep-alive',
    'X-Accel-Buffering': 'no',
  })
  response.write(`retry: ${RETRY_MS}\n\n`)
  return {
    transport: 'sse',
    write: bytes => void response.write(bytes),
    unread: () => response.writableLength,
    // Of the connection: an answer is told that it has drained also where another is only asked for on it.
    drained: () => drained(response.socket ?? response),
    end(last) {
      response.end(last)
      // Unreferenced: a process that has stopped must not wait for those who do not read.
      const cutOff = setTimeout(() => socket?.destroy(), WORDS_MS_MAX).unref()
      response.once('close', () => clearTimeout(cutOff))
    },
  }
}

const KEEP_ALIVE_MS = 15_000
