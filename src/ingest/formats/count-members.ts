import type { Json } from '../../core/canonical-json.ts'
import { ITEM_DEPTH_MAX } from './limits.ts'

/**
 * How many members all objects in a value have; NaN, which equals no count, where it nests deeper than any item may.
 * A text that shows more of them than its value has repeats a key.
 */
export function countMembers(value: Json, depth = 0): number {
  if (typeof value !== 'object' || value === null) return 0
  if (depth >= ITEM_DEPTH_MAX) return Number.NaN
  const inner: readonly Json[] = Array.isArray(value) ? value : Object.values(value)
  let members = Array.isArray(value) ? 0 : inner.length
  for (let i = 0; i < inner.length; i++) {
    const one = inner[i]
    if (typeof one === 'object' && one !== null) members += countMembers(one, depth + 1)
  }
  return members
}
