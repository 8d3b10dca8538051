import type { LivePartition, Place, Track } from '../../core/live/track.ts'
import type { LiveFilter } from './live-filter.ts'
import type { Piece } from './piece.ts'

/** What a client is told, and where it stands once it has it; `move` is null where it stands where it stood. */
export type Message = {
  /** JSON of an object that has at least one member. */
  readonly json: string
  readonly move: Place | null
  /** How many events it tells of. */
  readonly events: number
}

/** How one route says what happened on a track. */
export type SayPiece = (
  piece: Piece,
  on: { readonly track: Track; readonly partition: LivePartition },
  filter: LiveFilter,
  how: { readonly reduced: boolean },
) => readonly Message[]

export type Transport = 'sse' | 'websocket'

/** As it goes over the wire, with where its reader stands from then on, where that is told. */
export function frameOf(transport: Transport, json: string, cursor: string | undefined): Buffer {
  if (transport === 'sse')
    return Buffer.from(cursor === undefined ? `data: ${json}\n\n` : `id: ${cursor}\ndata: ${json}\n\n`)
  return webSocketText(cursor === undefined ? json : `${json.slice(0, -1)},"cursor":"${cursor}"}`)
}

/** A whole text message as a server sends it (RFC 6455): one frame, not masked, so that all its readers share it. */
function webSocketText(text: string): Buffer {
  const length = Buffer.byteLength(text)
  const head = length < 126 ? 2 : length < 65_536 ? 4 : 10
  const frame = Buffer.allocUnsafe(head + length)
  frame[0] = 0x81
  if (head === 2) frame[1] = length
  else if (head === 4) {
    frame[1] = 126
    frame.writeUInt16BE(length, 2)
  } else {
    frame[1] = 127
    frame.writeBigUInt64BE(BigInt(length), 2)
  }
  frame.write(text, head)
  return frame
}
