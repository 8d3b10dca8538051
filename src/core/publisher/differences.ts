import { isObject, type Json, pointerToken } from '../canonical-json.ts'
import type { Pointer } from '../path.ts'

/** One place where two values are not the same; a side that has nothing there is left out. */
export type Difference = { readonly pointer: Pointer; readonly was?: Json; readonly became?: Json }

/** Objects and lists are gone into, in the order of their keys; whatever else is not equal is told whole. */
export function differences(was: Json, became: Json): readonly Difference[] {
  const found: Difference[] = []
  compare(was, became, '', found)
  return found
}

function compare(
  was: Json | undefined,
  became: Json | undefined,
  pointer: Pointer,
  found: Difference[],
): void {
  const [one, other] = [membersOf(was), membersOf(became)]
  if (one === undefined || other === undefined || Array.isArray(was) !== Array.isArray(became)) {
    // Of different kinds, or neither object nor list.
    if (was !== became)
      found.push({
        pointer,
        ...(was !== undefined && { was }),
        ...(became !== undefined && { became }),
      })
    return
  }
  for (const key of [...new Set([...one.keys(), ...other.keys()])])
    compare(one.get(key), other.get(key), pointer + pointerToken(key), found)
}

function membersOf(value: Json | undefined): ReadonlyMap<string, Json> | undefined {
  if (Array.isArray(value)) return new Map(value.map((item, index) => [String(index), item]))
  return isObject(value) ? new Map(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))) : undefined
}
