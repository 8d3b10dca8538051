import type { Request } from 'express'
import * as z from 'zod'
import { isPublicKey } from '#curve'
import { BROADCAST_TRANSACTIONS_MAX } from '../adapters/chain/accept.ts'
import { lockOfAddress } from '../adapters/chain/address.ts'
import type { FaucetRequest } from '../adapters/chain/faucet.ts'
import { ancestry, readBeef } from '../contract/beef.ts'
import { readWhole } from '../contract/byte-reader.ts'
import { p2pkhLock } from '../contract/script.ts'
import { readTransaction, type Transaction, takeTransaction } from '../contract/transaction.ts'
import { fromHex } from '../core/bytes.ts'
import { parseJson } from '../core/canonical-json.ts'
import { ChainRouteError } from './chain-errors.ts'

/** Of a request with transactions in it. */
export const TRANSACTIONS_BYTES_MAX = 4 * 1024 * 1024
/** Of every other one: a thousand txids, or one long locking script, fit well. */
export const JSON_BYTES_MAX = 128 * 1024
export const STATUS_TXIDS_MAX = 1_000
export const HEADERS_MAX = 20_000

export const HEIGHT_MAX = 0xffff_ffff

const number = z
  .string()
  .regex(/^\d{1,10}$/, 'wanted a whole number')
  .transform(Number)
const headersQuery = z.strictObject({
  from: number.pipe(z.int().max(HEIGHT_MAX)).default(0),
  count: number.pipe(z.int().min(1).max(HEADERS_MAX)).default(HEADERS_MAX),
  format: z.enum(['json']).optional(),
})

export function readHeadersQuery(request: Request) {
  return readShape(headersQuery, request.query)
}

const hash = z.string().regex(/^[0-9a-f]{64}$/, 'wanted 64 lower-case hex digits')

export function readTxid(request: Request): string {
  return readShape(z.object({ txid: hash }), request.params).txid
}

export function wantsRaw(request: Request): boolean {
  const { raw } = readShape(z.strictObject({ raw: z.enum(['true', 'false']).optional() }), request.query)
  return raw === 'true'
}

const statusBody = z.strictObject({ txids: z.array(hash).max(STATUS_TXIDS_MAX) })

export function readStatusBody(request: Request): readonly string[] {
  return readShape(statusBody, readJsonBody(request)).txids
}

const hex = (what: string) =>
  z.string().transform((text, context) => {
    const bytes = fromHex(text)
    if (bytes !== undefined) return bytes
    context.addIssue({ code: 'custom', message: `wanted ${what} in lower-case hex` })
    return z.NEVER
  })
const key = hex('a compressed public key').refine(isPublicKey, 'wanted a compressed public key')
const faucetBody = z.strictObject({
  lockingScript: hex('a locking script').optional(),
  publicKey: key.transform(p2pkhLock).optional(),
  address: z
    .string()
    .transform((text, context) => {
      const lock = lockOfAddress(text)
      if (lock !== undefined) return lock
      context.addIssue({ code: 'custom', message: 'wanted an address in Base58Check' })
      return z.NEVER
    })
    .optional(),
  satoshis: z.int().min(1),
  outputs: z.int().min(1).default(1),
})

export function readFaucetBody(request: Request): FaucetRequest {
  const { lockingScript, publicKey, address, ...amounts } = readShape(faucetBody, readJsonBody(request))
  const [lock, ...others] = [lockingScript, publicKey, address].filter(each => each !== undefined)
  if (lock === undefined || others.length > 0)
    throw new ChainRouteError(
      'ERR_CHAIN_INVALID_REQUEST',
      'say whom to pay by exactly one of lockingScript, publicKey and address',
    )
  return { lockingScript: lock, ...amounts }
}

const reorganiseBody = z.strictObject({
  depth: z.int().min(1),
  replaceWith: z.array(hex('a raw transaction')).max(BROADCAST_TRANSACTIONS_MAX).default([]),
})

export function readReorganiseBody(request: Request) {
  const { depth, replaceWith } = readShape(reorganiseBody, readJsonBody(request, TRANSACTIONS_BYTES_MAX))
  const transactions = replaceWith.map((raw, i) => {
    const read = readTransaction(raw)
    if (!read.ok)
      throw new ChainRouteError('ERR_CHAIN_UNREADABLE_TRANSACTION', `replaceWith ${i}: ${read.fault.detail}`)
    return read.value
  })
  return { depth, replaceWith: transactions }
}

/**
 * A BEEF, of which only what no block proves is broadcast; or raw transactions one after another, parents first,
 * for those who have no proofs at hand. The last one is what the sender asks about.
 */
export function readTransactionsBody(request: Request): readonly Transaction[] {
  const body = readBody(request, 'application/octet-stream')
  return isBeef(body) ? unprovenIn(body) : rawRun(body)
}

function isBeef(body: Uint8Array): boolean {
  return body[0] === 0x01 && body[1] === 0x00 && body[2] === 0xbe && body[3] === 0xef
}

function unprovenIn(body: Uint8Array): readonly Transaction[] {
  const beef = readBeef(body, { bytesMax: TRANSACTIONS_BYTES_MAX })
  if (!beef.ok) throw new ChainRouteError('ERR_CHAIN_UNREADABLE_TRANSACTION', beef.fault.detail)
  const unproven = ancestry(beef.value).filter(({ proof }) => proof === undefined)
  return atMost(unproven.length > 0 ? unproven : [beef.value.subject])
}

function rawRun(body: Uint8Array): readonly Transaction[] {
  const run = readWhole(body, 'transaction-invalid', from => {
    const transactions: Transaction[] = []
    while (from.position() < body.length && transactions.length <= BROADCAST_TRANSACTIONS_MAX)
      transactions.push(takeTransaction(from))
    return transactions.length > BROADCAST_TRANSACTIONS_MAX ? atMost(transactions) : transactions
  })
  if (run.ok) return run.value
  throw new ChainRouteError(
    'ERR_CHAIN_UNREADABLE_TRANSACTION',
    `${run.fault.detail}; wanted a BEEF of version 1, or raw transactions one after another, parents first`,
  )
}

function atMost(transactions: readonly Transaction[]): readonly Transaction[] {
  if (transactions.length <= BROADCAST_TRANSACTIONS_MAX) return transactions
  throw new ChainRouteError(
    'ERR_CHAIN_BODY_TOO_LARGE',
    `more than ${BROADCAST_TRANSACTIONS_MAX} transactions that no block proves; send them in smaller pieces, parents first`,
  )
}

function readJsonBody(request: Request, bytesMax = JSON_BYTES_MAX): unknown {
  const json = parseJson(readBody(request, 'application/json'), bytesMax)
  if (json.ok) return json.value
  throw new ChainRouteError('ERR_CHAIN_INVALID_REQUEST', json.fault.detail)
}

function readBody(request: Request, type: string): Uint8Array {
  const body: unknown = request.body
  if (body instanceof Uint8Array && body.length > 0) return body
  // `is` answers null where there is no body at all, of whatever type.
  if (request.is(type) === false)
    throw new ChainRouteError('ERR_CHAIN_CONTENT_TYPE', `wanted a body with Content-Type: ${type}`)
  throw new ChainRouteError('ERR_CHAIN_INVALID_REQUEST', 'the body is empty')
}

function readShape<Shape extends z.ZodType>(shape: Shape, value: unknown): z.output<Shape> {
  const read = shape.safeParse(value)
  if (read.success) return read.data
  const [issue] = read.error.issues
  const where = issue?.path.length ? `${issue.path.join('.')}: ` : ''
  throw new ChainRouteError('ERR_CHAIN_INVALID_REQUEST', where + (issue?.message ?? 'unreadable'))
}
