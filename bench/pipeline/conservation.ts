import type { PacketRow } from './account.ts'
import type { SentBatch } from './sent.ts'

/** What was answered, what the database holds of it, and what came to who follows everything. */
export type Counts = {
  /** Events whose request was answered with success. */
  readonly accepted: number
  readonly inLog: number
  readonly certifiedInDatabase: number
  readonly certifiedAtSubscriber: number
  /** Events of batches that were answered otherwise, by what was answered. */
  readonly refused: Readonly<Record<string, number>>
  readonly notSent: number
}

export type Held = {
  readonly taken: readonly SentBatch[]
  readonly packets: readonly PacketRow[]
  readonly counts: Counts
  /** Events whose connection broke before an answer came: they may be in the log. */
  readonly unanswered: number
  readonly waitedSeconds: number
  /** What clients say of themselves: who is behind, and what was left out or came twice. */
  readonly clients: readonly string[]
}

/** Everything that is against "accepted, and certified once", each in a sentence; none where it holds. */
export function findLosses({ taken, packets, counts, unanswered, waitedSeconds, clients }: Held): string[] {
  const losses: string[] = []
  const { accepted, inLog, certifiedInDatabase, certifiedAtSubscriber } = counts
  if (accepted === 0) losses.push('no event was accepted, so nothing was measured')
  losses.push(...repeatedPlaces(taken), ...brokenSequences(packets))
  if (inLog < accepted) losses.push(`${accepted} events were acknowledged, and packets hold ${inLog}`)
  if (inLog > accepted + unanswered)
    losses.push(
      `packets hold ${inLog} events, and ${accepted} were acknowledged, with at most ${unanswered} unanswered`,
    )
  if (certifiedInDatabase < inLog)
    losses.push(
      `${inLog - certifiedInDatabase} events were not certified ${waitedSeconds} s after the last was sent; they are in the log, and late or lost`,
    )
  for (const { stream, firstSeq, certificates, certifiedMs } of packets)
    if (certificates > 1 || (certificates === 0 && certifiedMs !== null))
      losses.push(
        `the packet of stream ${stream} from event ${firstSeq} on has ${certificates} certificates that count`,
      )
  if (certifiedAtSubscriber !== certifiedInDatabase)
    losses.push(
      `${certifiedInDatabase} events are certified, and who follows everything was told of ${certifiedAtSubscriber}`,
    )
  return [...losses, ...clients]
}

/** No place of a stream may have been given to two batches. */
function repeatedPlaces(taken: readonly SentBatch[]): string[] {
  const ends = new Map<number, number>()
  return taken
    .toSorted((a, b) => a.stream - b.stream || a.firstSeq - b.firstSeq)
    .flatMap(({ stream, firstSeq, events }) => {
      const end = ends.get(stream) ?? 0
      ends.set(stream, firstSeq + events)
      return firstSeq < end ? [`place ${firstSeq} of stream ${stream} was given to two batches`] : []
    })
}

/** Packets of a stream follow one another without a hole. */
function brokenSequences(packets: readonly PacketRow[]): string[] {
  const ends = new Map<number, number>()
  return packets.flatMap(({ stream, firstSeq, events }) => {
    const end = ends.get(stream) ?? 0
    ends.set(stream, firstSeq + events)
    return firstSeq === end
      ? []
      : [`stream ${stream} has a packet from event ${firstSeq} on, where ${end} comes next`]
  })
}

/** How many events of each stream are certified, from the first on without one in between that is not. */
export function certifiedEnds(packets: readonly PacketRow[], streams: number): number[] {
  const ends = Array.from({ length: streams }, () => 0)
  for (const { stream, firstSeq, events, certifiedMs } of packets)
    if (certifiedMs !== null && ends[stream] === firstSeq) ends[stream] = firstSeq + events
  return ends
}
