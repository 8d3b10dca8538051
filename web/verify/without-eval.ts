import * as z from 'zod'

/**
 * The shapes of proofs are read without code that is made at run time: the portal may not run any.
 * Shapes decide that when they are made, so it is said before the verifier is fetched.
 */
export function readWithoutEval(): void {
  z.config({ jitless: true })
}
