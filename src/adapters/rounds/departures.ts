import * as z from 'zod'
import type { Leaving } from '../../core/rounds/coordinating/leave.ts'
import { bytea, type Queryable } from '../postgres/sql.ts'
import { writeAggregateStanding } from './aggregate-standings.ts'
import type { RoundStoreDeps } from './deps.ts'
import type { LockedRound, StoredDecision } from './in-round.ts'
import { movePackets } from './packet-states.ts'
import { writeStandings } from './standing-rows.ts'

/** Members that leave a round for good, wherever each goes from here; what is given up for now becomes a dead letter. */
export async function writeDepartures(
  db: Queryable,
  round: Pick<LockedRound, 'roundId' | 'template'>,
  jobTx: string | null,
  leaving: readonly Leaving[],
  nowMs: number,
  deps: Pick<RoundStoreDeps, 'retryMs' | 'at'>,
): Promise<void> {
  if (leaving.length === 0) return
  const { roundId, template } = round
  const askedMs = await readAskedMs(db, roundId, nowMs)
  const left = leaving.map(each => ({
    ...each,
    packet: { ...each.packet, waitedMs: each.packet.waitedMs + askedMs },
  }))
  const moved = left.map(({ packet }) => ({
    standing: packet,
    retryMs: packet.status === 'sealed' || packet.status === 'unanchored' ? nowMs + deps.retryMs(packet) : 0,
  }))
  if (template === 'aggregate') {
    // Nothing waits for it, and no packet is in it.
    for (const { standing, retryMs } of moved) await writeAggregateStanding(db, standing, retryMs)
    deps.at('rounds.left')
    return
  }
  await writeStandings(db, moved, nowMs)
  await db.query({
    name: 'rounds-left',
    text: `update round_members as member set left_why = given.why, left_ms = $3
      from jsonb_to_recordset($2::jsonb) as given (index integer, why text)
      where member.round_id = $1 and member.index = given.index and member.left_ms is null`,
    values: [bytea(roundId), JSON.stringify(left.map(({ member, why }) => ({ index: member, why }))), nowMs],
  })
  const split = left.filter(({ packet }) => packet.status === 'split')
  const again = left.filter(({ packet }) => packet.status === 'sealed')
  const idsOf = (some: readonly Leaving[]) => some.map(({ packet }) => packet.packetId)
  await movePackets(db, idsOf(again), { cause: 'leave-round', nowMs })
  for (const each of split)
    await movePackets(db, [each.packet.packetId], { cause: 'split', nowMs, error: reasonOf(each) })
  if (split.length > 0) await writeDeadLetters(db, roundId, jobTx, split, nowMs)
  deps.at('rounds.left')
}

/** How long agents have had its jobs: from when the network had each until it was decided, or could no longer be answered. */
async function readAskedMs(db: Queryable, roundId: string, nowMs: number): Promise<number> {
  const { rows } = await db.query<{ askedMs: number }>({
    name: 'rounds-asked-ms',
    text: `select coalesce(sum(greatest(0, least(coalesce(decided_ms, $2), deadline_ms) - seen_ms)), 0)::bigint as "askedMs"
      from round_jobs where round_id = $1 and seen_ms is not null`,
    values: [bytea(roundId), nowMs],
  })
  return rows[0]?.askedMs ?? 0
}

async function writeDeadLetters(
  db: Queryable,
  roundId: string,
  jobTx: string | null,
  split: readonly Leaving[],
  nowMs: number,
): Promise<void> {
  const rows = split.map(each => ({
    packet_id: each.packet.packetId,
    tries: each.packet.tries,
    reason: reasonOf(each),
  }))
  await db.query({
    name: 'rounds-dead-letters',
    text: `insert into dead_letters (packet_id, round_id, stage, reason, tries, policy_digest, died_ms)
        select packet.packet_id, $1, coalesce((select stage from round_jobs where txid = $2), 'normalize'), given.reason,
            given.tries, mark.policy_digest, $4
          from jsonb_to_recordset($3::jsonb) as given (packet_id text, tries integer, reason text)
          join packets as packet on packet.packet_id = decode(given.packet_id, 'hex')
          join seal_marks as mark on mark.partition_id = packet.partition_id and mark.packet_no = packet.packet_no
        on conflict (packet_id) where state = 'dead' do nothing`,
    values: [bytea(roundId), jobTx === null ? null : bytea(jobTx), JSON.stringify(rows), nowMs],
  })
}

/** Why a packet is split, as whoever reads of it is told. */
function reasonOf({ packet: { tries, waitedMs }, why }: Leaving): string {
  return `${reasons[why]}; tried ${tries} times in ${Math.round(waitedMs / 1000)} s`
}

const reasons = {
  dissent: 'its operators answered, and no quorum of them the same',
  'no-answer': 'too few of its operators answered',
  behind: 'a packet before it did not go on',
  'other-version': 'its rebuild agreed on another version than was certified',
} as const satisfies Record<Leaving['why'], string>

/** As the decision has it that was stored with the close. */
export function readLeaving(decision: StoredDecision | null): Leaving[] {
  return (decision?.leaving ?? []).map(each => storedLeaving.parse(each))
}

const hex = z.string()
const chainPlace = z.object({ packetId: hex, versionId: hex }).nullable()
const storedLeaving = z.object({
  member: z.int(),
  why: z.enum(['dissent', 'no-answer', 'behind', 'other-version']),
  packet: z.object({
    packetId: hex,
    partition: z.string(),
    packetNo: z.int(),
    level: z.enum(['basic', 'enhanced', 'critical']),
    audience: z.enum(['public', 'restricted']),
    bytes: z.int(),
    documentBytes: z.int(),
    status: z.enum(['sealed', 'open', 'certified', 'split', 'unanchored', 'rebuilding', 'abandoned']),
    roundId: hex.nullable(),
    rounds: z.int(),
    tries: z.int(),
    roundPacketsMax: z.int().nullable(),
    rebuilds: z.int(),
    waitedMs: z.number(),
    version: z
      .object({ versionId: hex, parent: chainPlace, stateIn: hex.nullable(), stateOut: hex.nullable() })
      .nullable(),
    certificate: hex.nullable(),
  }),
})
