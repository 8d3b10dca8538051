import type { Pointer } from '../core/path.ts'
import type { EventQuestion } from './event-question.ts'

/** Something in a payload: a value of a field, or a word of a text. */
export type Criterion =
  | { readonly kind: 'value'; readonly path: Pointer; readonly term: string }
  | { readonly kind: 'words'; readonly term: string }

/** Which events somebody searches for: those that fit all of it. */
export type SearchQuestion = EventQuestion & {
  readonly eventId?: string
  readonly nativeId?: string
  /** Of the certified output of their packet. */
  readonly contentHash?: string
  readonly versionId?: string
  /** Identity key that their source is registered with. */
  readonly publisher?: string
  readonly criteria: readonly Criterion[]
}
