import type { Source } from '../core/registry/source.ts'
import type { Stream } from '../core/registry/stream.ts'
import type { AcceptRefusal } from './arrived.ts'

/** Where a source's events go. */
export type StreamFor = {
  readonly stream: Stream
  /** The one that was asked for, where the source may not write to it: its events are set aside. */
  readonly unknownStream?: string
}

/** Undefined where there is no such stream. */
export type FindStream = (streamId: string) => Promise<Stream | undefined>

/** The stream that was asked for, or the source's first; of what it may not write to, a source learns nothing. */
export async function streamFor(
  source: Source,
  streamId: string | undefined,
  findStream: FindStream,
): Promise<StreamFor | AcceptRefusal> {
  const [home] = source.streams
  const asked = streamId ?? home
  const mayWrite = source.streams.includes(asked)
  if (!mayWrite && source.unknownStream === 'refuse') return { why: 'unknown-stream', streamId: asked }

  const stream = await findStream(mayWrite ? asked : home)
  if (stream === undefined || stream.tenantId !== source.tenantId)
    return { why: 'unknown-stream', streamId: asked }
  if (!stream.published) return { why: 'unpublished', streamId: stream.streamId }
  return { stream, ...(!mayWrite && { unknownStream: asked }) }
}
