import { isObject, type Json, type JsonObject, parseJson } from '../canonical-json.ts'
import { STATE_BYTES_DEFAULT } from '../rules/carried-state.ts'
import { POLICY_CHARS_MAX } from '../schema.ts'

/** What sealing and planning need of a policy set. */
export type StoredBounds = {
  readonly stateBytesMax: number
  /** Undefined where the set has no windows. */
  readonly windows: { readonly windowMs: number; readonly latenessMs: number } | undefined
}

/**
 * Of a set as it is stored, which is in its canonical form. The rest of it is not looked at: reading all of a set compiles
 * its schemas and patterns. A text that is no policy set states nothing.
 */
export function storedBounds(policy: string): StoredBounds {
  const json = parseJson(policy, 4 * POLICY_CHARS_MAX)
  const { stateBytesMax, fusion } = objectIn(json.ok ? json.value : null)
  const { windowMs, latenessMs } = objectIn(fusion)
  return {
    stateBytesMax: isWhole(stateBytesMax) ? stateBytesMax : STATE_BYTES_DEFAULT,
    windows: isWhole(windowMs) && isWhole(latenessMs) ? { windowMs, latenessMs } : undefined,
  }
}

function objectIn(json: Json | undefined): JsonObject {
  return isObject(json) ? json : {}
}

function isWhole(json: Json | undefined): json is number {
  return typeof json === 'number' && Number.isSafeInteger(json) && json >= 0
}
