import { headerChain } from '../../contract/headers.ts'
import { concat, sameBytes, toHex } from '../../core/bytes.ts'
import { orThrow } from '../../core/fault.ts'
import { HEADER_BYTES } from './block.ts'
import type { HeaderRun } from './header-run.ts'

/** Up to `count` headers of somebody else's best chain from this height on; none where it is shorter. */
export type FetchHeaders = (from: number, count: number) => Promise<Uint8Array>

/** Per question, and so the longest branch that can be followed away from. */
export const HEADERS_PER_SYNC_MAX = 20_000
/** 400 MB of memory, and eight weeks of a block every second; a chain that claims more is not followed. */
export const HEADERS_FOLLOWED_MAX = 5_000_000
/** How far below our tip the other chain is asked for, until it shares a block with ours. */
const LOOKING_BACK = [0, 16, 256, 4_096, HEADERS_PER_SYNC_MAX - 1] as const

/**
 * Follows one step: up to a page of headers. Answers with the height up to which the run stayed as it was, or
 * undefined where there was nothing new. Throws over a chain that does not link, lacks work, or has less than ours.
 */
export async function syncHeaders(run: HeaderRun, fetchHeaders: FetchHeaders): Promise<number | undefined> {
  const tip = run.tip()
  if (tip === undefined) return begin(run, fetchHeaders)
  let asked = -1
  for (const back of LOOKING_BACK) {
    const from = Math.max(0, tip.height - back)
    if (from === asked) break
    asked = from
    const page = checkedPage(await fetchHeaders(from, HEADERS_PER_SYNC_MAX), from)
    const shared = sharedHeaders(run.slice(from, HEADERS_PER_SYNC_MAX), page)
    if (shared === 0) continue
    return adopt(run, from + shared - 1, page.subarray(shared * HEADER_BYTES))
  }
  throw new Error(
    `the chain shares no block with the one that was followed so far (its tip: ${tip.hash} at ${tip.height}). If it was begun anew on purpose, restart this process`,
  )
}

async function begin(run: HeaderRun, fetchHeaders: FetchHeaders): Promise<number | undefined> {
  const page = checkedPage(await fetchHeaders(0, HEADERS_PER_SYNC_MAX), 0)
  if (page.length === 0) throw new Error('the chain has no first block')
  run.replaceAbove(-1, page)
  return -1
}

function adopt(run: HeaderRun, forkHeight: number, newer: Uint8Array): number | undefined {
  const ours = run.slice(forkHeight + 1, Number.MAX_SAFE_INTEGER)
  if (newer.length === 0 && ours.length === 0) return undefined
  if (workOf(newer) <= workOf(ours))
    throw new Error(
      `the chain has no more work than the one that was followed so far (${newer.length / HEADER_BYTES} headers instead of ${ours.length / HEADER_BYTES} above height ${forkHeight}); it is not followed`,
    )
  if (forkHeight + newer.length / HEADER_BYTES >= HEADERS_FOLLOWED_MAX)
    throw new Error(`the chain is longer than ${HEADERS_FOLLOWED_MAX} blocks; begin a new local chain`)
  run.replaceAbove(forkHeight, newer)
  return forkHeight
}

/** Links and work. The page begins with a header that we have, or with the first of all. */
function checkedPage(page: Uint8Array, from: number): Uint8Array {
  if (page.length > 0) orThrow(headerChain(page, from, 'local'))
  if (from === 0 && page.length > 0 && toHex(page.subarray(4, 36)) !== '00'.repeat(32))
    throw new Error('the first header of the chain names one before it')
  return page
}

function sharedHeaders(ours: Uint8Array, theirs: Uint8Array): number {
  let shared = 0
  const at = (headers: Uint8Array) => headers.subarray(shared * HEADER_BYTES, (shared + 1) * HEADER_BYTES)
  while (at(ours).length > 0 && sameBytes(at(ours), at(theirs))) shared++
  return shared
}

/** How many hashes it takes on average to make these headers; headerChain has seen that each meets its target. */
export function workOf(headers: Uint8Array): bigint {
  let work = 0n
  for (let at = 0; at < headers.length; at += HEADER_BYTES) {
    const exponent = headers[at + 75] ?? 0
    const mantissa = concat(headers.subarray(at + 72, at + 75)).reverse()
    const target = BigInt(`0x${toHex(mantissa)}`) << BigInt(8 * (exponent - 3))
    work += (1n << 256n) / (target + 1n)
  }
  return work
}
