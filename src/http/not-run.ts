/** For bytes of a stranger, which may say what they are: no browser guesses it anew, or runs them in the name of this host. */
export const notRun = {
  'X-Content-Type-Options': 'nosniff',
  'Content-Security-Policy': "sandbox; default-src 'none'",
} as const
