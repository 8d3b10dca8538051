import * as z from 'zod'
import { type Json, parseJson } from '../../core/canonical-json.ts'
import type { Outcome } from '../../core/fault.ts'
import { isBlockedPort } from '../addresses/blocked-ports.ts'

/** What a number holds exactly. */
export const MAX_BYTES = 999_999_999_999_999

export function httpUrl() {
  return z.url({ protocol: /^https?$/, abort: true })
}

/** What we call with `fetch`, or tell others of, who may. */
export function reachableUrl() {
  return httpUrl().refine(
    url => !isBlockedPort(new URL(url).port),
    `an address at a port that ${NOBODY_REACHES}`,
  )
}

/** Where to listen; 0 for any port that is free. */
export function listeningPort() {
  return wholeNumber(0, 65_535).refine(
    port => port === 0 || !isBlockedPort(port),
    `a port that ${NOBODY_REACHES}`,
  )
}

const NOBODY_REACHES = 'browsers and fetch refuse to connect to, whoever listens there; take another one'

export function wholeNumber(min: number, max: number) {
  return z
    .string()
    .regex(/^\d{1,15}$/, `not a whole number from ${min} to ${max}`)
    .transform(Number)
    .refine(value => value >= min && value <= max, `not a whole number from ${min} to ${max}`)
}

export function yesOrNo() {
  return z.enum(['true', 'false'], 'neither true nor false').transform(text => text === 'true')
}

export function list<S extends z.ZodType<string, string>>(each: S) {
  return z
    .string()
    .transform(text =>
      text
        .split(',')
        .map(part => part.trim())
        .filter(part => part !== ''),
    )
    .pipe(z.array(each))
}

/** JSON, as a reader of ours makes it out. */
export function inJson<T>(reader: (json: Json) => Outcome<T>): z.ZodType<T, string> {
  return z.string().transform((text, context) => {
    const json = parseJson(text)
    const read = json.ok ? reader(json.value) : json
    if (read.ok) return read.value
    const { detail, pointer = '' } = read.fault
    context.addIssue(pointer === '' ? detail : `${pointer}: ${detail}`)
    return z.NEVER
  })
}

export const identityKeys = list(
  z.string().regex(/^0[23][0-9a-f]{64}$/, 'not compressed public keys in lower-case hex'),
)
