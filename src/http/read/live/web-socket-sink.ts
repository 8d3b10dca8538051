import type { Duplex } from 'node:stream'
import type { WebSocket } from 'ws'
import type { EndReason, Sink } from '../../../serve/live/ports.ts'
import { drained } from './drained.ts'
import { WORDS_MS_MAX } from './last-words.ts'

/**
 * Messages come as whole frames, which all who get them share, and so they are written beside the library: it writes
 * nothing but pongs, pings and the close by itself, each in one piece.
 */
export function openWebSocketSink(webSocket: WebSocket, socket: Duplex): Sink {
  return {
    transport: 'websocket',
    write(bytes) {
      if (webSocket.readyState === webSocket.OPEN) socket.write(bytes)
    },
    unread: () => socket.writableLength,
    drained: () => drained(socket),
    end(last, reason) {
      if (webSocket.readyState === webSocket.OPEN) socket.write(last)
      closeWith(webSocket, closes[reason], reason)
    },
  }
}

const GOING_AWAY = 1001
const POLICY_VIOLATION = 1008
const TRY_AGAIN_LATER = 1013

const closes: { readonly [reason in EndReason]: number } = {
  slow: TRY_AGAIN_LATER,
  stalled: TRY_AGAIN_LATER,
  shutdown: GOING_AWAY,
  'too-many-partitions': POLICY_VIOLATION,
  failed: TRY_AGAIN_LATER,
  'subscription-ended': POLICY_VIOLATION,
}

/** Of the frame that closes a connection: it has room for 123 bytes. */
const REASON_CHARS_MAX = 120

export function closeWith(webSocket: WebSocket, code: number, reason: string): void {
  webSocket.close(code, reason.replace(/[^ -~]/g, '?').slice(0, REASON_CHARS_MAX))
  const cutOff = setTimeout(() => webSocket.terminate(), WORDS_MS_MAX).unref()
  webSocket.once('close', () => clearTimeout(cutOff))
}
