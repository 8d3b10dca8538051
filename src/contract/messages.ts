import * as z from 'zod'
import { ROUND_PACKETS_MAX } from '../core/rounds/round.ts'
import { BEEF_BYTES_MAX } from './beef.ts'
import { DER_BYTES_MAX } from './der.ts'
import { TOKEN_URL_CHARS_MAX, TOKEN_URLS_MAX } from './token-bodies.ts'

/*
 * The JSON that agents and nodes send each other, read with core/schema.ts. None of it is evidence: what
 * counts is signed, in tokens and in work, and checked there again.
 */

const hex = (bytes: number) =>
  z.string().regex(new RegExp(`^[0-9a-f]{${2 * bytes}}$`), `not ${bytes} bytes in lower-case hex`)
const key = hex(33)
const count = z.int().min(0)
const stage = z.enum(['normalize', 'validate', 'certify'])
const outpoint = z.string().regex(/^[0-9a-f]{64}\.(?:0|[1-9][0-9]{0,9})$/, 'not <txid>.<output>')
const signature = z
  .string()
  .max(2 * DER_BYTES_MAX)
  .regex(/^(?:[0-9a-f]{2})+$/, 'not lower-case hex')

/** To an agent that holds a subscription instead of a public address: the job it could have been submitted. */
export const jobOffer = z.strictObject({
  type: z.literal('job'),
  beef: z
    .string()
    .max(Math.ceil(BEEF_BYTES_MAX / 3) * 4)
    .base64(),
  /** Output of the BEEF's subject that is this agent's. */
  seat: z.int().min(0).max(ROUND_PACKETS_MAX),
})
export type JobOffer = z.output<typeof jobOffer>

/** Announces the bytes that follow it, with the agent's leave to store them (work.ts). */
export const workUpload = z.strictObject({
  type: z.literal('work'),
  agentKey: key,
  jobOutpoint: outpoint,
  sha256: hex(32),
  length: count,
  signature,
})
export type WorkUpload = z.output<typeof workUpload>

export const agentHealth = z.strictObject({
  status: z.enum(['ready', 'draining', 'failing']),
  agentKey: key,
  capabilities: z.array(stage).min(1).max(stage.options.length),
  version: z.string().min(1).max(64),
  signer: z.enum(['native', 'portable']),
  jobs: z.strictObject({ running: count, completed: count, failed: count, rejected: count }),
  startedMs: count,
})
export type AgentHealth = z.output<typeof agentHealth>

/** A GDA1 advert as lookups and people see it; the token is what was signed. */
export const agentAdvert = z.strictObject({
  agentKey: key,
  operator: key,
  operatorFromMs: count,
  operatorToMs: count,
  capabilities: z.array(z.string().min(1).max(32)).min(1),
  endpoints: z.array(z.string().max(TOKEN_URL_CHARS_MAX)).min(1).max(TOKEN_URLS_MAX),
  packetsMax: count,
  bytesMax: count,
  satoshisPerThousandEvents: count,
  region: z.string().optional(),
  expiresMs: count,
})
export type AgentAdvert = z.output<typeof agentAdvert>
