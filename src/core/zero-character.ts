import { JSON_DEPTH_MAX, type Json, pointerToken } from './canonical-json.ts'

/**
 * Where a text, or the name of a member, holds U+0000: valid Unicode, and the one character of it that databases cannot
 * keep. A name that holds it is not repeated: the pointer is that of the object around it.
 */
export function zeroCharacterIn(json: Json, pointer = '', depth = 0): string | undefined {
  if (typeof json === 'string') return json.includes('\0') ? pointer : undefined
  // Deeper nesting is refused by the canonical form itself.
  if (typeof json !== 'object' || json === null || depth > JSON_DEPTH_MAX) return undefined
  for (const [key, inner] of Object.entries(json)) {
    if (key.includes('\0')) return pointer
    const found = zeroCharacterIn(inner, pointer + pointerToken(key), depth + 1)
    if (found !== undefined) return found
  }
  return undefined
}
