import * as z from 'zod'
import type { Outcome } from '../core/fault.ts'
import { bySchema } from '../core/schema.ts'

/*
 * An agent without coins has its adverts paid for by a node: it sends the locking scripts that it has signed, and gets
 * back the transaction that carries them. They are locked to the agent, which alone withdraws them.
 */

export const ADVERTS_PATH = '/agents/adverts'
/** An advert of the agent, and a host advert for each topic that it works at. */
export const ADVERTS_PER_REQUEST_MAX = 4
/** What each output holds: enough for the agent to withdraw it without other coins. */
export const ADVERT_SATOSHIS = 200

export type AdvertRequest = z.output<typeof advertRequest>
export type AdvertAnswer = z.output<typeof advertAnswer>

export function readAdvertRequest(message: unknown): Outcome<AdvertRequest> {
  return bySchema(advertRequest, message, 'message-invalid', 'not a request for adverts')
}

export function readAdvertAnswer(message: unknown): Outcome<AdvertAnswer> {
  return bySchema(advertAnswer, message, 'message-invalid', 'not an answer about adverts')
}

const script = z
  .string()
  .max(8192)
  .regex(/^(?:[0-9a-f]{2})+$/, 'not lower-case hex')

/** Signed scripts: the first is the `GDA1`, the others are SHIP adverts by the same key. */
const advertRequest = z.strictObject({ scripts: z.array(script).min(1).max(ADVERTS_PER_REQUEST_MAX) })

/** Output i of the BEEF's subject carries script i. */
const advertAnswer = z.strictObject({
  txid: z.string().regex(/^[0-9a-f]{64}$/),
  beef: z.base64(),
})
