import type { Request } from 'express'
import * as z from 'zod'
import { banTypes, readBanned } from '../adapters/discovery/bans.ts'
import { storedText } from './stored-text.ts'

/* What admin routes are asked, read strictly. */

export const PAGE_LIMIT_MAX = 200
const REASON_CHARS_MAX = 500
const SEARCH_CHARS_MAX = 200

const wholeNumber = (min: number, max: number) =>
  z
    .string()
    .regex(/^\d{1,9}$/, 'not a whole number')
    .transform(Number)
    .pipe(z.int().min(min).max(max))
const page = z.object({
  page: wholeNumber(1, 100_000_000).default(1),
  limit: wholeNumber(1, PAGE_LIMIT_MAX).default(50),
  search: storedText(SEARCH_CHARS_MAX).optional(),
  type: z.enum(banTypes).optional(),
})
export type Page = z.output<typeof page>

export function readPage({ query }: Request) {
  return page.safeParse(query)
}

const reason = storedText(REASON_CHARS_MAX).optional()
const ofType = z.object({ type: z.enum(banTypes), value: z.string(), reason })
export const banRequest = ofType.transform(({ type, value, reason }, context) => {
  const banned = readBanned(type, value)
  if (banned !== undefined) return { type, value: banned, reason: reason ?? null }
  context.addIssue({
    code: 'custom',
    path: ['value'],
    message:
      type === 'domain' ? 'not a host, or a base URL without a path' : 'not <txid>.<index of an output>',
  })
  return z.NEVER
})

const outpoint = {
  txid: z
    .string()
    .regex(/^[0-9a-f]{64}$/i, 'not 64 hex digits')
    .toLowerCase(),
  outputIndex: z.int().min(0).max(0xffff_ffff),
  service: storedText(50).optional(),
}
export const outpointRequest = z.object(outpoint)
export const removeRequest = z.object({
  ...outpoint,
  ban: z.boolean().default(false),
  banDomain: z.boolean().default(false),
  reason,
})
export const healthCheckRequest = z.object({
  url: z
    .url({ protocol: /^https?$/ })
    .max(2000)
    // It is logged, and a password may not be.
    .refine(url => new URL(url).username === '' && new URL(url).password === '', 'a URL without a user'),
})
