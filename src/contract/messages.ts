import * as z from 'zod'
import type { Outcome } from '../core/fault.ts'
import { stages } from '../core/rounds/template.ts'
import { bySchema, hex } from '../core/schema.ts'
import { BEEF_BYTES_MAX } from './beef.ts'
import { DER_BYTES_MAX } from './der.ts'
import { SEATS_MAX, TOKEN_URL_CHARS_MAX, TOKEN_URLS_MAX } from './token-bodies.ts'

/*
 * The JSON that agents and nodes send each other. None of it is evidence: what counts is signed, in tokens and in
 * work, and checked there again.
 */

export type JobOffer = z.output<typeof jobOffer>
export type WorkUpload = z.output<typeof workUpload>
export type AgentHealth = z.output<typeof agentHealth>
export type AgentAdvert = z.output<typeof agentAdvert>

export function readJobOffer(message: unknown): Outcome<JobOffer> {
  return bySchema(jobOffer, message, 'message-invalid', 'not a job offer')
}

export function readWorkUpload(message: unknown): Outcome<WorkUpload> {
  return bySchema(workUpload, message, 'message-invalid', 'not a work upload')
}

export function readAgentHealth(message: unknown): Outcome<AgentHealth> {
  return bySchema(agentHealth, message, 'message-invalid', "not an agent's health")
}

export function readAgentAdvert(message: unknown): Outcome<AgentAdvert> {
  return bySchema(agentAdvert, message, 'message-invalid', "not an agent's advert")
}

const key = hex(33)
const count = z.int().min(0)
const stage = z.enum(stages)
const outpoint = z
  .string()
  .regex(/^[0-9a-f]{64}\.(?:0|[1-9][0-9]{0,9})$/, 'not <txid>.<output>')
  .refine(text => Number(text.slice(65)) <= 0xffff_ffff, 'an output that no transaction has')
const signature = z
  .string()
  .max(2 * DER_BYTES_MAX)
  .regex(/^(?:[0-9a-f]{2})+$/, 'not lower-case hex')

/** To an agent that holds a subscription instead of a public address: the job it could have been submitted. */
const jobOffer = z.strictObject({
  type: z.literal('job'),
  beef: z
    .string()
    .max(Math.ceil(BEEF_BYTES_MAX / 3) * 4)
    .base64(),
  /** Output of the BEEF's subject that is this agent's. */
  seat: z
    .int()
    .min(0)
    .max(SEATS_MAX - 1),
})

/** Announces the bytes that follow it, with the agent's leave to store them (work.ts). */
const workUpload = z.strictObject({
  type: z.literal('work'),
  agentKey: key,
  jobOutpoint: outpoint,
  sha256: hex(32),
  length: count,
  signature,
})

const agentHealth = z.strictObject({
  status: z.enum(['ready', 'draining', 'failing']),
  agentKey: key,
  capabilities: z.array(stage).min(1).max(stage.options.length),
  version: z.string().min(1).max(64),
  signer: z.enum(['native', 'portable']),
  jobs: z.strictObject({ running: count, completed: count, failed: count, rejected: count }),
  startedMs: count,
})

/** A GDA1 advert as lookups and people see it; the token is what was signed. */
const agentAdvert = z.strictObject({
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
