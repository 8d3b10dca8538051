import { expect } from 'vitest'
import * as z from 'zod'
import { isAtRest } from '../../support/agents-bed/progress.ts'
import type { AgentsBed } from '../../support/agents-bed.ts'
import { auditAtRest } from '../../support/audit-certified.ts'
import { until } from '../../support/until.ts'
import { altersOnePacket, answersHonestly, type Lie } from './conducts.ts'
import { namedIn } from './held-against.ts'
import type { Liar } from './liar.ts'

/** Long enough for who is honest on a busy machine: only who never answers is waited for so long. */
export const settings = {
  EVENT_PROCESSING_TIMEOUT_MS: '8000',
  INGEST_RETRY_MAX: '2',
  INGEST_BACKOFF_BASE_MS: '50',
}

/** More sources, so that one round has packets of several partitions. */
export const streams = ['roof', 'cellar', 'garden']
export const sources = streams.map(id => ({ id, type: 'webhook', shape: 'overlay', streams: [id] }))

let readings = 0
export function reading() {
  readings += 1
  return { eventType: 'reading', externalId: `reading-${readings}`, data: { celsius: 10 + (readings % 20) } }
}

/** A lie that was told, and the rounds that it was told in. */
export type Told = { readonly liar: Liar; readonly lie: Lie; readonly rounds: readonly string[] }

/** Whatever it says, the two others certify the right bytes. */
export async function outvote(bed: AgentsBed, liar: Liar, lie: Lie): Promise<Told> {
  const [jobs, failures] = [liar.jobs.length, liar.failures.length]
  const told = () => ({ liar, lie, rounds: liar.jobs.slice(jobs).map(({ facts }) => facts.subject) })
  liar.conduct = lie.conduct
  try {
    // Whoever has not answered an offer is left alone for a while, and the others go on without it.
    const isAsked = () =>
      (lie.conduct.offered !== undefined && lie.needsAnOffer !== true) || liar.jobs.length > jobs
    const isTold = async () => lie.needsToBeInTime !== true || (await unnamed(bed, [told()])).length === 0
    for (let rounds = 0; rounds < (lie.needsTwoRounds ? 2 : 1) || !isAsked() || !(await isTold()); rounds++) {
      // Of several partitions at once: what is wrong with one packet must not hold up the others.
      for (const source of streams) await bed.publish(source, [reading(), reading()])
      await bed.allAnchored()
    }
    await until(() => isAtRest(bed.pool))
  } finally {
    liar.conduct = answersHonestly
  }
  expect(await auditAtRest(bed.pool, bed)).toEqual([])
  expect(liar.failures.slice(failures)).toEqual([])
  return told()
}

/** Resolves once all that should be on record is. Whoever was silent may have gone unnoticed by a node that was busy: it is again. */
export async function allNamed(bed: AgentsBed, told: readonly Told[]): Promise<void> {
  let rest = told
  for (let sinceMs = performance.now(); ; await new Promise(resolve => setTimeout(resolve, 100))) {
    const missing = new Set(await unnamed(bed, rest))
    rest = rest.filter(({ lie }) => missing.has(lie.name))
    if (rest.length === 0) return
    if (performance.now() - sinceMs < 2 * Number(settings.EVENT_PROCESSING_TIMEOUT_MS)) continue
    const again: Told[] = []
    for (const each of rest) {
      const { rounds } = each.lie.shows.includes('silent') ? await outvote(bed, each.liar, each.lie) : each
      again.push({ ...each, rounds: [...each.rounds, ...rounds] })
    }
    rest = again
    sinceMs = performance.now()
  }
}

/** Lies that should be on record, and whose tellers nothing names yet. */
export async function unnamed(bed: AgentsBed, told: readonly Told[]): Promise<string[]> {
  const missing: string[] = []
  for (const { liar, lie, rounds } of told) {
    if (lie.shows.length === 0) continue
    const named = await Promise.all(rounds.map(round => namedIn(bed.pool, round, lie.shows)))
    if (!named.flat().includes(liar.agent.identityKey)) missing.push(lie.name)
  }
  return missing
}

/** Of a round of many it touches one packet: that one splits, the record says who said what, and the round goes on without it. */
export async function splitOne(bed: AgentsBed, liar: Liar): Promise<void> {
  const before = await splitPackets(bed, 'critical')
  const asked = liar.jobs.length
  liar.conduct = altersOnePacket.conduct
  try {
    await intoOneRound(bed, async () => {
      for (const source of streams) await bed.publish(source, [reading()], { level: 'critical' })
    })
    await until(async () => {
      const { events, anchored, split } = await bed.progress()
      return anchored + split === events
    })
    await until(() => isAtRest(bed.pool))
  } finally {
    liar.conduct = answersHonestly
  }
  const split = await splitPackets(bed, 'critical')
  expect(await auditAtRest(bed.pool, bed, { passedBy: new Set(split.keys()) })).toEqual([])
  const [[packetId, { reason }] = ['', { reason: '' }], ...more] = [...split].filter(
    ([id]) => !before.has(id),
  )
  expect(more).toEqual([])
  expect(reason).not.toBe('')
  expect(await alone(bed, packetId)).toEqual([liar.agent.identityKey])

  const members = await membersOf(bed, liar.jobs[asked]?.facts.subject ?? '')
  expect(members).toEqual([
    ...streams.slice(1).map(() => ({ packetId: expect.any(String), leftWhy: null, certifiedAt: 'critical' })),
    { packetId, leftWhy: 'dissent', certifiedAt: null },
  ])
}

/** No round is planned before every stream has a packet for it. */
async function intoOneRound(bed: AgentsBed, publish: () => Promise<void>): Promise<void> {
  const sealed = await countPackets(bed)
  const planning = await bed.pool.connect()
  try {
    await planning.query('begin')
    await planning.query('select from round_planning for update')
    await publish()
    await until(async () => (await countPackets(bed)) === sealed + streams.length)
  } finally {
    await planning.query('rollback')
    planning.release()
  }
}

async function countPackets({ pool }: AgentsBed): Promise<number> {
  const { rows } = await pool.query('select from packets')
  return rows.length
}

/** In their order, with why they left the round, or the level of the certificate that they have of it. */
async function membersOf({ pool }: AgentsBed, roundId: string) {
  const { rows } = await pool.query<object>(
    `select encode(member.packet_id, 'hex') as "packetId", left_why as "leftWhy", certificate.level as "certifiedAt"
      from round_members as member left join certificates as certificate
        on certificate.round_id = member.round_id and certificate.packet_id = member.packet_id
          and certificate.state in ('anchored', 'proven')
      where member.round_id = $1 order by member.index`,
    [Buffer.from(roundId, 'hex')],
  )
  return rows
}

type Split = { readonly reason: string }

/** By packetId. */
async function splitPackets(bed: AgentsBed, level: string): Promise<Map<string, Split>> {
  const { rows } = await bed.pool.query<{ id: string; reason: string | null }>(
    `select encode(standing.packet_id, 'hex') as id, letter.reason from packet_standings as standing
      left join dead_letters as letter on letter.packet_id = standing.packet_id
      where standing.status = 'split' and standing.level = $1`,
    [level],
  )
  return new Map(rows.map(({ id, reason }) => [id, { reason: reason ?? '' }]))
}

export async function anySplit(bed: AgentsBed, level: string): Promise<Map<string, Split> | undefined> {
  const split = await splitPackets(bed, level)
  return split.size > 0 ? split : undefined
}

const votes = z.array(z.object({ agentKey: z.string(), leaf: z.string().nullable() }))

/** Agents who said of a packet that split what nobody else said. */
async function alone(bed: AgentsBed, packetId: string): Promise<string[]> {
  const { rows } = await bed.pool.query<{ votes: unknown }>(
    `select votes from conflicts where packet_id = $1 and decision = 'split'`,
    [Buffer.from(packetId, 'hex')],
  )
  return rows.flatMap(row => {
    const cast = votes.parse(row.votes)
    return cast.flatMap(({ agentKey, leaf }) =>
      cast.filter(other => other.leaf === leaf).length === 1 ? [agentKey] : [],
    )
  })
}
