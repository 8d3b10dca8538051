import { type Level, quorums } from '../../level.ts'

/** What the coordinator has seen of one operator. Reputation shown to others is computed elsewhere. */
export type OperatorRecord = {
  readonly operator: string
  readonly reachable: boolean
  readonly failurePoints: number
  readonly doubleSpends: number
}

export type Conduct =
  | 'agreed'
  /** Said something else than the quorum. */
  | 'dissenting'
  | 'silent'
  /** Answered where no quorum was reached: somebody is wrong, and nobody knows who. */
  | 'unsettled'

// An unsettled answer weighs little, but something: else a retry would ask the very same seats again.
const failurePoints = { agreed: 0, dissenting: 10, silent: 10, unsettled: 1 } as const satisfies Record<
  Conduct,
  number
>

export function recordConduct(record: OperatorRecord, conduct: Conduct): OperatorRecord {
  return { ...record, failurePoints: record.failurePoints + failurePoints[conduct] }
}

/**
 * One operator per seat of the level: fewest failures first, equals in rotation. Who double-spent is asked last
 * and never excluded, which with three operators would stop everything. All seats are made even if nobody sits
 * there now; undefined means that no job can be made at all.
 */
export function chooseOperators(
  records: readonly OperatorRecord[],
  level: Level,
  rotation: number,
): string[] | undefined {
  if (!canSeat(records, level)) return undefined
  const turn = (at: number) => (at + rotation) % records.length
  return records
    .map((record, at) => ({ ...record, turn: turn(at) }))
    .sort(
      (a, b) =>
        a.doubleSpends - b.doubleSpends ||
        Number(b.reachable) - Number(a.reachable) ||
        a.failurePoints - b.failurePoints ||
        a.turn - b.turn,
    )
    .slice(0, quorums[level].seats)
    .map(({ operator }) => operator)
}

/** Without a quorum in reach no round is made and no packet's time runs: waiting costs it nothing. */
export function canSeat(records: readonly OperatorRecord[], level: Level): boolean {
  const { agreeing, seats } = quorums[level]
  return records.length >= seats && records.filter(record => record.reachable).length >= agreeing
}
