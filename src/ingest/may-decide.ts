import type { Source } from '../core/registry/source.ts'

/** Who decides over a held item; `who` is what is recorded of them. */
export type Decider = { readonly who: string } & (
  | { readonly role: 'admin' }
  | { readonly role: 'publisher'; readonly identityKey: string }
)

export type Authority = {
  readonly decide: boolean
  /** Let an item in against the time policy that held it. */
  readonly override: boolean
  /** Send an item to a stream that its source may not write to. */
  readonly elsewhere: boolean
}

/** The one place that knows who may do what with the items that were held of a source. */
export function mayDecide(decider: Decider, source: Source | undefined): Authority {
  if (decider.role === 'admin') return { decide: true, override: true, elsewhere: true }
  const isOwner = source?.identityKey !== undefined && source.identityKey === decider.identityKey
  return { decide: isOwner, override: isOwner, elsewhere: false }
}
