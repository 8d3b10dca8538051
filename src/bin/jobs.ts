import type { Pool } from 'pg'
import type { ChangeDeps } from '../adapters/registry/changing.ts'
import { explainPacket, listDeadLetters, listRounds } from '../adapters/rounds/read-jobs.ts'
import { reopenPacket } from '../adapters/rounds/reopen.ts'
import { type Answer, type Asked, onRegistry, orMissing, who } from './on-registry.ts'

const usage = `assay jobs list [--json]                 rounds at work, and packets that were given up
assay jobs explain PACKET [--json]       why a packet stands where it stands
assay jobs redrive PACKET [--json]       gives a packet that was given up a fresh set of tries

It works on the database of the nodes, and beside them. PACKET is a packetId.`

const SHOWN_MAX = 50

export function jobs(args: readonly string[]): Promise<number> {
  return onRegistry('jobs', usage, args, prepare)
}

function prepare({ what, args: [packetId, ...more] }: Asked) {
  if (more.length > 0) return undefined
  if (what === 'list' && packetId === undefined) return ({ pool }: ChangeDeps) => list(pool)
  if (packetId === undefined || !/^[0-9a-f]{64}$/.test(packetId)) return undefined
  if (what === 'explain') return ({ pool }: ChangeDeps) => explainIt(pool, packetId)
  return what === 'redrive' ? ({ pool }: ChangeDeps) => redrive(pool, packetId) : undefined
}

async function list(pool: Pool): Promise<Answer> {
  const rounds = await listRounds(pool, { limit: SHOWN_MAX })
  const letters = await listDeadLetters(pool, { limit: SHOWN_MAX }, 'dead')
  const words = [
    ...rounds.map(
      each => `round ${each['roundId']}  ${each['state']}, ${each['level']}, ${each['packets']} packets`,
    ),
    ...letters.map(each => `given up ${each['packetId']}  ${each['stage']}: ${each['reason']}`),
  ]
  return { words: words.join('\n') || 'there are none', json: { rounds, deadLetters: letters } }
}

async function explainIt(pool: Pool, packetId: string): Promise<Answer> {
  const json = orMissing(await explainPacket(pool, packetId), `packet ${packetId} with a standing`)
  return { words: JSON.stringify(json, undefined, 2), json }
}

async function redrive(pool: Pool, packetId: string): Promise<Answer> {
  const done = await reopenPacket(packetId, who, { pool, now: Date.now, at: () => undefined })
  if (done === 'state-gone') throw new Error(`packet ${packetId} stays given up: ${stateGone}`)
  orMissing(done === 'reopened' || undefined, `packet ${packetId} that was given up`)
  return { words: `${packetId} has a fresh set of tries`, json: { packetId, redriven: true } }
}

const stateGone = 'the state that it builds on is not here any more, so no agent could work on it'
