/** So long somebody who is let go may take to read what was sent to it last. */
export const WORDS_MS_MAX = 3_000
