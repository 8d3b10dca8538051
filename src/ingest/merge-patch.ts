import { isObject, type Json } from '../core/canonical-json.ts'

/** RFC 7396: members of the patch replace those of the target, null takes one away, and objects are merged. */
export function mergePatch(target: Json, patch: Json): Json {
  if (!isObject(patch)) return patch
  const merged = new Map<string, Json>(isObject(target) ? Object.entries(target) : [])
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) merged.delete(key)
    else merged.set(key, mergePatch(merged.get(key) ?? null, value))
  }
  // Not assigned one by one: a member called __proto__ must stay one, to be refused as such.
  return Object.fromEntries(merged)
}
