import { reasonsOfStreams } from '../core/publisher/held-for-stream.ts'
import type { Source } from '../core/registry/source.ts'
import type { Stream } from '../core/registry/stream.ts'

/** Who decides over a held item; `who` is what is recorded of them. */
export type Decider = { readonly who: string } & (
  | { readonly role: 'admin' }
  | { readonly role: 'publisher'; readonly identityKey: string }
)

export type Authority = {
  readonly decide: boolean
  /** Change what was sent. */
  readonly edit: boolean
  /** Let an item in against the time policy that held it. */
  readonly override: boolean
  /** Which streams it may be sent to: all, those that its source writes to, or of these the decider's own. */
  readonly reach: 'all' | 'of-source' | 'own'
}

/** What is known of an item: its source and the stream that it is held in, where they are still there. */
export type Holder = {
  readonly source: Source | undefined
  readonly stream: Stream | undefined
  readonly tenantId: string | null
  readonly reason: string
}

/** The one place that knows who may do what with the items that were held of a source. */
export function mayDecide(decider: Decider, { source, stream, tenantId, reason }: Holder): Authority {
  if (decider.role === 'admin') return { decide: true, edit: true, override: true, reach: 'all' }
  const { identityKey } = decider
  if (source?.identityKey === identityKey)
    return { decide: true, edit: true, override: true, reach: 'of-source' }
  const ownsStream =
    stream?.ownerKey === identityKey &&
    (stream.tenantId ?? null) === tenantId &&
    reasonsOfStreams.includes(reason)
  // What another publisher has sent stays their word: who owns the stream takes it as it is, or not at all.
  const edit = ownsStream && source !== undefined && source.identityKey === undefined
  return { decide: ownsStream, edit, override: false, reach: 'own' }
}
