import { expect } from 'vitest'
import * as z from 'zod'
import { isAtRest } from '../../support/agents-bed/progress.ts'
import type { AgentsBed } from '../../support/agents-bed.ts'
import { auditAtRest } from '../../support/audit-certified.ts'
import { until } from '../../support/until.ts'
import { answersHonestly, type Lie } from './conducts.ts'
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
  liar.conduct = lie.conduct
  try {
    // Whoever has not answered an offer is left alone for a while, and the others go on without it.
    const isAsked = () => lie.conduct.offered !== undefined || liar.jobs.length > jobs
    for (let rounds = 0; rounds < (lie.needsTwoRounds ? 2 : 1) || !isAsked(); rounds++) {
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
  return { liar, lie, rounds: liar.jobs.slice(jobs).map(({ facts }) => facts.subject) }
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

/** What it touches splits, and the record says who said what; all else is certified. */
export async function splitOne(bed: AgentsBed, liar: Liar, lie: Lie): Promise<void> {
  const before = await splitPackets(bed, 'critical')
  liar.conduct = lie.conduct
  const [touched = '', ...others] = streams
  await bed.publish(touched, [reading()], { level: 'critical' })
  const fresh = await until(async () => {
    const now = [...(await splitPackets(bed, 'critical'))].filter(([id]) => !before.has(id))
    return now.length > 0 && now
  })
  liar.conduct = answersHonestly
  for (const source of others) await bed.publish(source, [reading()], { level: 'critical' })
  await until(async () => {
    const { events, anchored, split } = await bed.progress()
    return anchored + split === events
  })
  await until(() => isAtRest(bed.pool))
  const passedBy = new Set((await splitPackets(bed, 'critical')).keys())
  expect(passedBy.size).toBe(before.size + fresh.length)
  expect(await auditAtRest(bed.pool, bed, { passedBy })).toEqual([])
  for (const [packetId, { reason }] of fresh) {
    expect(reason).not.toBe('')
    expect(await alone(bed, packetId)).toEqual([liar.agent.identityKey])
  }
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
