import { mayRead, type Reader } from '../core/registry/may-read.ts'
import type { RoundJob, RoundMember, RoundResult, RoundSeat, RoundWork } from './round-work.ts'
import { unlessNone } from './unless-none.ts'

/**
 * A round as this reader may know it; undefined where none of its packets is one of theirs. What was said of others'
 * packets is left out, place by place: their leaves too, from which guesses could be checked, and how far they came.
 */
export function shownRound(round: RoundWork, reader: Reader) {
  const readable = readableMembers(round, reader)
  if (readable.size === 0) return undefined
  const { members, jobs, certificates, ...facts } = round
  return {
    ...facts,
    packets: members.length,
    members: members.map(member => shownMember(member, readable.has(member.index))),
    jobs: jobs.filter(job => readableOf(job, readable).length > 0).map(job => shownJobOfRound(job, readable)),
    certificates: certificates.filter(({ member }) => readable.has(member)),
  }
}

/** Those whose stream the reader may read, by their place in the round. */
export function readableMembers({ members }: RoundWork, reader: Reader): ReadonlySet<number> {
  return new Set(members.flatMap(({ index, stream }) => (mayRead(reader, stream) ? [index] : [])))
}

function shownMember(member: RoundMember, isReadable: boolean) {
  const { index, stream, packetId, partition, firstPacket, lastPacket, events, status } = member
  if (!isReadable) return { index, ...unread }
  const { leftWhy, leftMs } = member
  return {
    ...{ index, packetId, streamId: stream.streamId, partition, firstPacket, lastPacket, events },
    ...{ status, leftWhy, leftMs },
  }
}
const unread = {
  packetId: null,
  streamId: null,
  partition: null,
  firstPacket: null,
  lastPacket: null,
  events: null,
  status: null,
  leftWhy: null,
  leftMs: null,
}

function shownJobOfRound(job: RoundJob, readable: ReadonlySet<number>) {
  const { txid, stage, rebuild, inputRoot, madeMs, seenMs, deadlineMs, decidedMs, outcome } = job
  return {
    ...{ txid, stage, rebuild, members: readableOf(job, readable) },
    inputRoot: isWhole(job, readable) ? unlessNone(inputRoot) : null,
    ...{ madeMs, seenMs, deadlineMs, decidedMs, outcome },
    seats: job.seats.map(seat => shownSeat(seat, job, readable)),
  }
}

function shownSeat(seat: RoundSeat, job: RoundJob, readable: ReadonlySet<number>) {
  const { vout, agentKey, operator, state, conduct, attempts } = seat
  const { offeredMs, acknowledgedMs, completedMs } = seat
  return {
    ...{ jobId: `${job.txid}.${vout}`, agentId: agentKey },
    ...{ operator, state, conduct, attempts, offeredMs, acknowledgedMs, completedMs },
    results: seat.results.map(result => {
      const { txid, status, workHash, evidenceHash, arrivedMs, isLate, work } = result
      return {
        ...{ txid, status, arrivedMs, isLate, work },
        workHash: isWhole(job, readable) ? workHash : null,
        evidenceHash,
        leaves: shownLeaves(result, job, readable),
      }
    }),
  }
}

/** Which of its members the reader may know of. */
export function readableOf({ members }: RoundJob, readable: ReadonlySet<number>): number[] {
  return members.filter(member => readable.has(member))
}

/** Whether what covers all members of the job may be told: from it guesses about each could be checked. */
export function isWhole({ members }: RoundJob, readable: ReadonlySet<number>): boolean {
  return members.every(member => readable.has(member))
}

/** What a result says of each member of its job. */
export function shownLeaves(result: RoundResult, { members }: RoundJob, readable: ReadonlySet<number>) {
  return members.flatMap((member, place) => {
    if (!readable.has(member)) return []
    const outputHash = result.outputs.find(each => each.member === member)?.outputHash ?? null
    return [{ member, leaf: unlessNone(leafAt(result, place)), outputHash }]
  })
}

export function leafAt({ leaves }: RoundResult, place: number): string {
  return leaves.slice(64 * place, 64 * place + 64)
}
