/** Of what went wrong, in the words of whoever said it. */
const ERROR_CHARS_MAX = 500

/**
 * What others say, as a column can keep it, of text and inside of jsonb: without U+0000, whole characters, and not longer
 * than that.
 */
export function keptText(said: string, charsMax = ERROR_CHARS_MAX): string {
  return sayable(said).slice(0, charsMax).toWellFormed()
}

/** All of a text, as a column of text can say it: U+0000, which JSON has, is the one character that none can. */
export function sayable(text: string): string {
  return text.replaceAll('\0', '\uFFFD')
}
