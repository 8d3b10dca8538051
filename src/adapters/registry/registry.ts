import type { Source } from '../../core/registry/source.ts'
import type { Stream } from '../../core/registry/stream.ts'

/** Sources and streams, as they were at most a second ago; what another node changes is heard of sooner. */
export type Registry = {
  /** Also one that is not enabled; undefined where there is none. */
  source(sourceId: string): Promise<Source | undefined>
  stream(streamId: string): Promise<Stream | undefined>
  /** Live secrets of a source that signs with HMAC, the newest first: several while one takes over from another. */
  secrets(sourceId: string): Promise<readonly Uint8Array[]>
  /** Reads everything again at the next asking. */
  forget(): void
  stop(): Promise<void>
}
