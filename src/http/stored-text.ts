import * as z from 'zod'

/** A text that a column may hold, so that asking for it, or keeping it, cannot fail in the database. */
export function storedText(charsMax: number) {
  return z
    .string()
    .max(charsMax)
    .refine(
      text => text.isWellFormed() && !text.includes('\0'),
      'it holds the character U+0000 or half a character',
    )
}
