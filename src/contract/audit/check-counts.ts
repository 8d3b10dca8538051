import type { Flaw } from './findings.ts'
import type { Counts, Extent, SealMarkSaid } from './records.ts'

export const noCounts: Counts = {
  received: 0,
  accepted: 0,
  duplicate: 0,
  rejected: 0,
  quarantined: 0,
  waived: 0,
}

const members = ['received', 'accepted', 'duplicate', 'rejected', 'quarantined', 'waived'] as const

export function add(a: Counts, b: Counts): Counts {
  return {
    received: a.received + b.received,
    accepted: a.accepted + b.accepted,
    duplicate: a.duplicate + b.duplicate,
    rejected: a.rejected + b.rejected,
    quarantined: a.quarantined + b.quarantined,
    waived: a.waived + b.waived,
  }
}

/** Every item is in one place: what was received is the sum of what became of it. */
export function unbalanced(what: string, { received, ...places }: Counts): Flaw | undefined {
  const sum = Object.values(places).reduce((all, one) => all + one, 0)
  return received === sum
    ? undefined
    : wrong(`${what} received ${received} items, and says of ${sum} what became of them`)
}

/** A mark's totals are those of the mark before, and what the appends between the two count. */
export function countedAt(
  before: Counts | null,
  appended: Counts,
  { totals, upToSeq }: SealMarkSaid,
): Flaw[] {
  const flaws: (Flaw | undefined)[] = [unbalanced('the seal mark', totals)]
  if (upToSeq !== totals.accepted)
    flaws.push(
      wrong(`the seal mark ends at sequence ${upToSeq}, and counts ${totals.accepted} accepted events`),
    )
  if (before !== null)
    flaws.push(differing('the seal mark', totals, add(before, appended), 'the appends up to it make'))
  return flaws.flatMap(flaw => flaw ?? [])
}

/** What a partition's log says of itself as a whole. */
export function countedInAll(
  extent: Extent,
  atLastMark: Counts | null,
  found: { readonly certified: number; readonly isAllThere: boolean },
): Flaw[] {
  const { ledger, tail, held, certified, split } = extent
  const flaws: (Flaw | undefined)[] = [unbalanced('the ledger', ledger)]
  if (atLastMark !== null)
    flaws.push(
      differing(
        'the ledger',
        ledger,
        add(atLastMark, tail),
        'the last seal mark and the appends after it make',
      ),
    )
  if (ledger.quarantined !== held)
    flaws.push(wrong(`the ledger counts ${ledger.quarantined} items in quarantine, and ${held} stand there`))
  if (certified + split > ledger.accepted)
    flaws.push(
      wrong(
        `${certified} events are counted certified and ${split} split, and only ${ledger.accepted} were accepted`,
      ),
    )
  // What was in flight when this was counted may be certified by now, and what was certified stays so.
  if (found.isAllThere && found.certified < certified)
    flaws.push(
      wrong(`${certified} events are counted certified, and ${found.certified} are in certified packets`),
    )
  return flaws.flatMap(flaw => flaw ?? [])
}

function differing(what: string, seen: Counts, wanted: Counts, whose: string): Flaw | undefined {
  const member = members.find(each => seen[each] !== wanted[each])
  return member === undefined
    ? undefined
    : wrong(`${what} counts ${seen[member]} ${member}, and ${whose} ${wanted[member]}`)
}

function wrong(detail: string): Flaw {
  return { kind: 'wrong-count', detail }
}
