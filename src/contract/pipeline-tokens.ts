import { readOnce, readOnceByContent } from './read-once.ts'
import { readLock } from './script.ts'
import { jobBody, resultBody } from './token-bodies.ts'
import { readToken, tagOf } from './tokens.ts'

/** `readToken`, which pays for the signatures in a token once, however many histories it comes in. */
export const readPipelineToken = readOnceByContent(readToken)

/**
 * The stage that a job or a result says it is of, unverified: enough to tell whose business it is. Undefined of anything
 * else, and of what can be no such token.
 */
export const statedStage = readOnce((script): string | undefined => {
  const tag = tagOf(script)
  if (tag !== 'GDJ1' && tag !== 'GDR1') return undefined
  const lock = readLock(script)
  const body = lock?.kind === 'token' ? lock.fields[3] : undefined
  if (body === undefined) return undefined
  const read = tag === 'GDJ1' ? jobBody.decode(body) : resultBody.decode(body)
  return read.ok ? read.value.stage : undefined
})
