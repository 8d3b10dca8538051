import { isObject, type Json } from '../../canonical-json.ts'
import { accepted, type Outcome, refused } from '../../fault.ts'
import type { Submission } from '../submission.ts'

/** Any JSON object is an event: all of it is payload, and what identifies it is for the source's policy to say. */
export function fromBare(item: Json): Outcome<Submission> {
  if (isObject(item)) return accepted({ payload: item, carried: {} })
  return refused('event-unreadable', 'an event must be a JSON object; wrap a bare value, as in {"value": …}')
}
