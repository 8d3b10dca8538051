import { type Json, parseJson } from '../../core/canonical-json.ts'
import { readSubmission, type Shape } from '../../core/event/adapters/recognize.ts'
import { qualityFlags } from '../../core/event/quality-flags.ts'
import { type Fault, type FaultCode, refused } from '../../core/fault.ts'
import type { ReadItem } from '../arrived.ts'
import { countMembers } from './count-members.ts'
import { outlineJson } from './json-outline.ts'
import { ITEM_DEPTH_MAX } from './limits.ts'

/** One item from a JSON text of its own, which goes from `start` to `end`. */
export function readItemText(text: string, shape: Shape | undefined, start = 0, end = text.length): ReadItem {
  const outline = outlineJson(text, ITEM_DEPTH_MAX, start, end)
  if (outline === undefined) return tooDeep
  const json = parseJson(text.slice(start, end))
  return json.ok ? readItem(json.value, outline.members, shape) : { submission: json, flags: 0 }
}

/** One item from its value. `membersSent`: as its text shows them, repeated ones included. */
export function readItem(value: Json, membersSent: number, shape: Shape | undefined): ReadItem {
  const members = countMembers(value)
  if (Number.isNaN(members)) return tooDeep
  return {
    submission: readSubmission(value, shape),
    flags: membersSent === members ? 0 : qualityFlags.DUPLICATE_KEYS,
  }
}

export function rejectedItem(code: FaultCode, detail: string): ReadItem {
  return { submission: refused(code, detail), flags: 0 }
}

/** The same item; where it is refused, the answer says which line of the body it was. */
export function onLine(line: number, item: ReadItem): ReadItem {
  if (item.submission.ok) return item
  const fault: Fault = item.submission.fault
  return { ...item, submission: refused(fault.code, `line ${line}: ${fault.detail}`, fault.pointer) }
}

export const tooDeep = rejectedItem(
  'json-too-deep',
  `the item nests deeper than ${ITEM_DEPTH_MAX} levels; flatten it`,
)
