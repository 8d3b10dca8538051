import { type Level, quorums } from '../../level.ts'
import type { Seat } from '../pipeline.ts'

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
  /** Had not answered when the deadline passed. */
  | 'silent'
  /**
   * Had not answered when the others had already agreed, so it still had time; or it was up to us that it was not heard. It
   * becomes silent once the deadline has passed, where it had taken its seat.
   */
  | 'unheard'
  /** Answered where no quorum was reached: somebody is wrong, and nobody knows who. */
  | 'unsettled'
  /** Had no seat. */
  | 'unasked'

// An unsettled answer weighs little, but something: else a retry would ask the very same seats again. Points wear
// off by one per job, with an agreed answer or without a seat: whoever has failed is asked last, and so has no
// other way back. Ten points are ten jobs; who fails each time it is asked is asked once in so many.
const pointsFor = {
  agreed: -1,
  dissenting: 10,
  silent: 10,
  unheard: 0,
  unsettled: 1,
  unasked: -1,
} as const satisfies Record<Conduct, number>

export const FAILURE_POINTS_MAX = 100

/** What a decided job says of everybody: of those who had a seat by its conduct, of the others that time passes. */
export function recordJob(
  records: readonly OperatorRecord[],
  seats: readonly Seat[],
  conduct: readonly Conduct[],
): OperatorRecord[] {
  return records.map(record => {
    const seat = seats.findIndex(({ operator }) => operator === record.operator)
    return recordConduct(record, conduct[seat] ?? 'unasked')
  })
}

export function recordConduct(record: OperatorRecord, conduct: Conduct): OperatorRecord {
  const points = record.failurePoints + pointsFor[conduct]
  return { ...record, failurePoints: Math.min(Math.max(points, 0), FAILURE_POINTS_MAX) }
}

/**
 * One operator per seat of the level: those within reach first, or the quorum would depend on who is not there;
 * then those who never double-spent; then by fewest failures, equals in rotation. Nobody is excluded, which with
 * three operators would stop everything, and all seats are made even if nobody sits there now: a round that is
 * open goes on. Undefined only where there are fewer operators than seats.
 */
export function chooseOperators(
  records: readonly OperatorRecord[],
  level: Level,
  rotation: number,
): string[] | undefined {
  const { seats } = quorums[level]
  return records.length < seats ? undefined : orderOperators(records, rotation).slice(0, seats)
}

/** All of them, those first who are to be asked first. By `rankOf` equals are told apart before they take turns. */
export function orderOperators(
  records: readonly OperatorRecord[],
  rotation: number,
  rankOf: (operator: string) => number = () => 0,
): string[] {
  const turn = (at: number) => (at + rotation) % records.length
  return records
    .map((record, at) => ({ ...record, turn: turn(at), rank: rankOf(record.operator) }))
    .sort(
      (a, b) =>
        Number(b.reachable) - Number(a.reachable) ||
        a.doubleSpends - b.doubleSpends ||
        a.failurePoints - b.failurePoints ||
        a.rank - b.rank ||
        a.turn - b.turn,
    )
    .map(({ operator }) => operator)
}

/** Without a quorum in reach no round is planned: waiting costs a packet nothing. */
export function canSeat(records: readonly OperatorRecord[], level: Level): boolean {
  const { agreeing, seats } = quorums[level]
  return records.length >= seats && records.filter(record => record.reachable).length >= agreeing
}
