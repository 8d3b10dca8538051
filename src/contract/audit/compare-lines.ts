import { fromUtf8 } from '../../core/bytes.ts'
import { eventIdIn } from '../../core/event/scan-line.ts'
import type { Flaw } from './findings.ts'

/** What the lines of a packet are held against where they do not have the hash that they should. */
export type Reference = {
  /** Of the events, in their order; null where a line names none. */
  readonly eventIds: readonly (string | null)[]
  /** The lines themselves, where another copy of them is sound. */
  readonly lines?: readonly string[]
}

export function linesOf(bytes: Uint8Array): string[] | undefined {
  const lines = fromUtf8(bytes)?.split('\n')
  lines?.pop()
  return lines
}

/** The first `count` of them. */
export function eventIdsOf(lines: readonly string[], count = lines.length): (string | null)[] {
  return lines.slice(0, count).map(line => eventIdIn(line) ?? null)
}

/** What became of lines whose hash is not the one that was wanted. `what`: which copy of them. */
export function whatHappened(
  what: string,
  bytes: Uint8Array,
  { firstSeq, count }: { readonly firstSeq: number; readonly count: number },
  reference: Reference | undefined,
): Flaw {
  const lines = linesOf(bytes)
  if (lines === undefined) return { kind: 'edit', detail: `${what} are not UTF-8 any more` }
  if (reference === undefined) return byNumber(what, lines.length, count)
  const seen = eventIdsOf(lines)
  const wanted = reference.eventIds
  const present = new Set(seen)
  const lost = wanted.findIndex(eventId => eventId !== null && !present.has(eventId))
  if (lost >= 0 && seen.length < wanted.length)
    return {
      kind: 'omission',
      seq: firstSeq + lost,
      detail: `event ${wanted[lost]} is missing from ${what}: ${seen.length} are there, and ${wanted.length} were sealed`,
    }
  if (lost >= 0)
    return {
      kind: 'edit',
      seq: firstSeq + lost,
      detail: `${what} hold event ${seen[lost] ?? 'of no id'} where ${wanted[lost]} was sealed`,
    }
  const moved = wanted.findIndex((eventId, i) => eventId !== seen[i])
  if (moved >= 0)
    return seen.length > wanted.length
      ? {
          kind: 'edit',
          seq: firstSeq + moved,
          detail: `${what} hold ${seen.length} events, and ${wanted.length} were sealed: one was put in here`,
        }
      : {
          kind: 'reorder',
          seq: firstSeq + moved,
          detail: `${what} have event ${seen[moved] ?? 'of no id'} here, and ${wanted[moved]} was sealed here`,
        }
  const changed = reference.lines?.findIndex((line, i) => line !== lines[i]) ?? -1
  return changed < 0
    ? {
        kind: 'edit',
        detail: `${what} hold the events that were sealed, and not the bytes: one of them was changed`,
      }
    : {
        kind: 'edit',
        seq: firstSeq + changed,
        detail: `${what} say of event ${wanted[changed] ?? 'of no id'} something else than was sealed`,
      }
}

function byNumber(what: string, seen: number, wanted: number): Flaw {
  if (seen < wanted)
    return { kind: 'omission', detail: `${what} hold ${seen} events, and ${wanted} were sealed` }
  return {
    kind: 'edit',
    detail:
      seen > wanted
        ? `${what} hold ${seen} events, and ${wanted} were sealed`
        : `${what} are not the bytes that were sealed`,
  }
}
