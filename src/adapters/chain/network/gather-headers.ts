import type { Pool } from 'pg'
import { headerHash, previousOf } from '../block.ts'
import type { Tip } from '../chain.ts'
import type { Anchor } from './anchor.ts'
import type { HeaderSource } from './header-source.ts'
import { findPlaced, storeHeaders } from './header-store.ts'
import { judgeHeader, type PlacedHeader } from './judge-header.ts'

export type GatherDeps = {
  readonly pool: Pool
  readonly source: HeaderSource
  readonly anchor: Anchor
  /** Our best tip, as the database has it now. */
  tip(): Promise<Tip>
  /** Told what the source says its tip is, before anything of it is believed. */
  onClaim(there: Tip): void
  /** Told after every page that was kept. */
  onPage(): Promise<void>
  readonly signal: AbortSignal
}

const HEADERS_PER_PAGE = 2_000
/** How far below our tip the source's chain is looked for, until some of it follows what is here. */
const LOOKING_BACK = [0, 16, 256, HEADERS_PER_PAGE - 1] as const

/**
 * Brings in what the source has and the database has not: page after page, each header judged as a stranger's. What
 * was kept stays kept, also where this throws: over a header that is wrong, or one that leads nowhere.
 */
export async function gatherHeaders(deps: GatherDeps): Promise<void> {
  const { pool, source, signal } = deps
  const there = await source.tip(signal)
  deps.onClaim(there)
  if ((await findPlaced(pool, [there.hash])).size > 0) return

  let from = await firstPage(there, deps)
  while (from <= there.height && (await keepPage(from, deps)).touches) from += HEADERS_PER_PAGE
  if ((await findPlaced(pool, [there.hash])).size === 0)
    throw new Error(
      `${source.name} says that its tip is ${there.hash} at height ${there.height}, and none of its headers lead there from what is known`,
    )
}

/**
 * Keeps the first page that hangs together with what is known; answers with where the next one begins. A page may
 * hold our own branch beside the source's, so that something in it is known says nothing yet.
 */
async function firstPage(there: Tip, deps: GatherDeps): Promise<number> {
  const top = Math.min((await deps.tip()).height + 1, there.height)
  let next: number | undefined
  for (const back of LOOKING_BACK) {
    const from = Math.max(1, top - back)
    const { touches, isWhole } = await keepPage(from, deps)
    if (touches) next = from + HEADERS_PER_PAGE
    if ((touches && isWhole) || from === 1) break
  }
  if (next !== undefined) return next
  throw new Error(
    `${deps.source.name} has no header near height ${top} that follows one of ours; it is on another chain, or has more than ${HEADERS_PER_PAGE} blocks that ours has not`,
  )
}

/** `touches`: something in it is, or follows, what was known. `isWhole`: everything in it. */
async function keepPage(
  from: number,
  { pool, source, anchor, onPage, signal }: GatherDeps,
): Promise<{ touches: boolean; isWhole: boolean }> {
  const page = await source.headers(from, HEADERS_PER_PAGE, signal)
  const hashes = page.map(headerHash)
  const known = await findPlaced(pool, [...new Set([...hashes, ...page.map(previousOf)])])
  const news = page.filter((_, i) => !known.has(hashes[i] ?? ''))
  const placed = place(news, known, anchor)
  // What precedes a header that is refused is as good as ever.
  await storeHeaders(pool, placed.headers)
  if (placed.headers.length > 0) await onPage()
  if (placed.fault !== undefined) throw new Error(`${source.name}: ${placed.fault}`)
  return {
    touches: placed.headers.length > 0 || news.length < page.length,
    isWhole: placed.headers.length === news.length,
  }
}

/** Puts each behind its parent. A page is cut by height, so what its branches follow may be missing: those wait. */
function place(
  headers: readonly Uint8Array[],
  known: ReadonlyMap<string, PlacedHeader>,
  anchor: Anchor,
): { headers: PlacedHeader[]; fault?: string } {
  const childrenOf = new Map<string, Uint8Array[]>()
  for (const header of headers) {
    const siblings = childrenOf.get(previousOf(header))
    if (siblings === undefined) childrenOf.set(previousOf(header), [header])
    else siblings.push(header)
  }
  const placed: PlacedHeader[] = []
  const faults: string[] = []
  const open = [...known.values()]
  // Also past one that is refused: on a branch that nobody follows, it must not keep us from the others.
  for (let parent = open.shift(); parent !== undefined; parent = open.shift()) {
    for (const header of childrenOf.get(parent.hash) ?? []) {
      const judged = judgeHeader(header, parent, anchor)
      if (judged.ok) {
        placed.push(judged.value)
        open.push(judged.value)
      } else faults.push(judged.fault.detail)
    }
    childrenOf.delete(parent.hash)
  }
  return { headers: placed, ...(faults[0] !== undefined && { fault: faults[0] }) }
}
