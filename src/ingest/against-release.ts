import { canonicalize, type Json, type JsonObject } from '../core/canonical-json.ts'
import type { Submission } from '../core/event/submission.ts'
import { accepted, type Fault } from '../core/fault.ts'
import { type Admission, admitItem } from './admit-item.ts'
import type { QuarantineReason } from './arrived.ts'

/* Why a held item is not let in, in sentences that say what would change that. */

/** What no release can make good without something more being said. */
export function againstTrying(
  { reason }: { readonly reason: string },
  { edit, streamId }: { readonly edit?: JsonObject; readonly streamId?: string },
): string | undefined {
  if (reason === 'batch-unreadable' || reason === 'source-unverified')
    return 'it stands for a whole batch, which is not an event; have that submitted again, and this is waived once it is taken'
  if (reason === 'unknown-stream' && streamId === undefined)
    return 'its source may not write to the stream that it named; name the stream that it shall go to'
  if (reason === 'identity-undecided' && edit === undefined)
    return `nobody can tell whether it is new; ${moveAgainst(reason)}`
  return undefined
}

/** What leaves quarantine was counted when it came, as long as it was then. */
const EDIT_GROWTH_CHARS_MAX = 4096

export function againstGrowing(held: Json, edited: Json): string | undefined {
  const [before, after] = [canonicalize(held), canonicalize(edited)]
  return before.ok && after.ok && after.value.length - before.value.length > EDIT_GROWTH_CHARS_MAX
    ? `an edit makes it at most ${EDIT_GROWTH_CHARS_MAX} characters longer; send it anew, and waive this`
    : undefined
}

/** Why it would be set aside or refused again, as far as that can be known before the log is asked. */
export function againstAdmitting(submission: Submission, admission: Admission): string | undefined {
  const item = admitItem({ submission: accepted(submission), flags: 0 }, admission)
  if (item.kind === 'event') return undefined
  if (item.kind === 'rejected') return `it would be refused: ${inWords(item)}`
  return heldAgain(item)
}

export function heldAgain({
  reason,
  detail,
}: {
  readonly reason: QuarantineReason
  readonly detail: string
}) {
  return `it would be held again (${reason}): ${detail}; ${moveAgainst(reason)}`
}

function moveAgainst(reason: QuarantineReason): string {
  if (reason === 'audience-mismatch')
    return 'edit what asks for less, or send it to a restricted stream; this cannot be overridden'
  if (reason === 'identity-undecided') return 'edit its nativeId or its eventTime, or waive it'
  return 'edit it, or override the time policy'
}

export function inWords({ detail, pointer }: Pick<Fault, 'detail' | 'pointer'>): string {
  return pointer === undefined ? detail : `${detail} (at ${pointer || '/'})`
}
