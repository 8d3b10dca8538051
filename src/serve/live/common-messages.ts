import type { LivePartition, Place, Track } from '../../core/live/track.ts'
import type { LiveFilter } from './live-filter.ts'
import type { Message } from './message.ts'
import type { Piece } from './piece.ts'

type On = { readonly track: Track; readonly partition: LivePartition }

/** What both routes say in the same words: holes, and what became of them. Undefined for all else. */
export function sayGapOrNews(
  piece: Piece,
  { track, partition }: On,
  filter: LiveFilter,
): readonly Message[] | undefined {
  const { said, from, to } = piece
  const where = { streamId: partition.streamId, partition: partition.partition }
  if (said.kind === 'gap')
    return [
      message(to, {
        type: 'gap',
        ...where,
        stage: track.stage,
        from: shown(from),
        to: shown(to),
        reason: said.reason,
        packetNo: said.packetNo,
        oldest: said.oldest === undefined ? null : shown(said.oldest),
      }),
    ]
  if (said.kind === 'nothing') return [nothing(to)]
  if (said.kind !== 'news') return undefined
  // Told to those who follow that stage; an anchor is everybody's who was told of the certificate.
  const follows = filter.stages.some(stage =>
    said.what === 'filled'
      ? stage === said.stage
      : stage === 'certified' || stage === 'anchored' || stage === 'proven',
  )
  if (!follows) return [nothing(to)]
  const { packetNo, packetId, versionId } = said
  return [message(to, { type: said.what, ...where, stage: said.stage, packetNo, packetId, versionId })]
}

export function message(move: Place | null, body: object, events = 0): Message {
  return { json: JSON.stringify(body), move, events }
}

/** Nobody has to hear of it: the position alone moves on, and is told with whatever is said next. */
export function nothing(move: Place): Message {
  return { json: '', move, events: 0 }
}

function shown({ at, line }: Place) {
  return { at, line }
}
