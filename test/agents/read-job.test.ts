import { describe, expect, test } from 'vitest'
import { type JobReader, readJob } from '../../agents/kit/read-job.ts'
import { readBeef, writeBeef } from '../../src/contract/beef.ts'
import { signTransaction } from '../../src/contract/spend.ts'
import { orThrow } from '../../src/core/fault.ts'
import { noLeaf } from '../../src/core/rounds/pipeline.ts'
import type { Stage } from '../../src/core/rounds/template.ts'
import { DEADLINE_MS, type JobChange, jobHistory, leafOf } from '../support/asking-node.ts'
import { certifiedRound } from '../support/certified-round.ts'
import { coins, p2pkhSpend, party, payTo, tokenSpend } from '../support/pipeline.ts'
import { mine } from '../support/private-chain.ts'

const round = certifiedRound()
const key = party('the agent')
const ours: JobReader = {
  kind: 'normalize',
  agentKey: key.identityKey,
  operator: party('operator north').identityKey,
  coordinators: new Set([round.log.identityKey]),
  packetsMax: 64,
  jobMsMax: Number.MAX_SAFE_INTEGER,
  templates: ['packet'],
}
const beefOf = (stage: Stage, change: JobChange = {}) =>
  orThrow(readBeef(writeBeef(jobHistory(round, stage, key, change))))
const why = (reader: JobReader, beef = beefOf('normalize'), nowMs = 0) => {
  const job = readJob(beef, reader, nowMs)
  return job.ok ? 'taken' : job.fault.detail
}

describe('an agent that reads a job', () => {
  test('takes one that has a seat for it', () => {
    const job = orThrow(readJob(beefOf('normalize'), ours, 0))
    expect(job.seat).toBe(0)
    expect(job.locations).toEqual(['http://127.0.0.1:9/rounds'])
    expect(job.agreed).toBeUndefined()
  })

  test('learns from its history what the stages before have agreed on', () => {
    const job = orThrow(readJob(beefOf('certify'), { ...ours, kind: 'certify' }, 0))
    expect(job.agreed).toEqual(round.packets.map(packet => leafOf(packet, 'validate')))
    expect(job.agreedBefore).toEqual(round.packets.map(packet => leafOf(packet, 'normalize')))
  })

  test('takes what two agreed on, and not what the third says', () => {
    const said: JobChange['said'] = (_, seat, truth) =>
      seat === 1 ? truth.map(() => '77'.repeat(32)) : truth
    const job = orThrow(readJob(beefOf('validate', { said }), { ...ours, kind: 'validate' }, 0))
    expect(job.agreed).toEqual(round.packets.map(packet => leafOf(packet, 'normalize')))
  })

  test('refuses a job whose history agrees on nothing', () => {
    const said: JobChange['said'] = (_, seat, truth) => truth.map(leaf => (seat === 0 ? leaf : noLeaf))
    expect(why({ ...ours, kind: 'validate' }, beefOf('validate', { said }))).toMatch(/agree/)
  })

  test.each([
    ['another stage', { ...ours, kind: 'validate' }, /works at validate/],
    ['another agent', { ...ours, agentKey: party('another').identityKey }, /none of its seats/],
    ['another operator', { ...ours, operator: party('operator east').identityKey }, /another operator/],
    ['a coordinator that is on no list', { ...ours, coordinators: new Set<string>() }, /AGENT_LOGS/],
    ['more packets than it takes', { ...ours, packetsMax: 1 }, /2 packets/],
  ] as const)('refuses a job for %s', (_, reader, sentence) => {
    expect(why(reader)).toMatch(sentence)
  })

  test('refuses a job whose deadline has passed', () => {
    expect(why(ours, beefOf('normalize'), DEADLINE_MS)).toMatch(/deadline/)
  })

  test('refuses a job that could keep its place for longer than a job may', () => {
    const reader = { ...ours, jobMsMax: 60_000 }
    expect(why(reader, beefOf('normalize'), DEADLINE_MS - 60_000)).toBe('taken')
    expect(why(reader, beefOf('normalize'), DEADLINE_MS - 60_001)).toMatch(/AGENT_JOB_MS_MAX/)
  })

  test('refuses what is no job', () => {
    const history = jobHistory(round, 'validate', key)
    expect(why(ours, orThrow(readBeef(writeBeef(history.slice(0, 3)))))).toMatch(/no job but result/)
    expect(why(ours, orThrow(readBeef(writeBeef(history.slice(0, 1)))))).toMatch(/no job but plain/)
  })

  test('refuses a job that spends what it may not', () => {
    const history = jobHistory(round, 'normalize', key)
    const [fuel, job] = history
    if (fuel === undefined || job === undefined) throw new Error('a job has fuel')
    const thief = party('thief')
    const stolen = fuel.outputs
      .slice(0, 1)
      .map(spent => ({ txid: fuel.txid, vout: 0, spent, privateKey: thief.privateKey }))
    const taken = signTransaction(stolen, job.outputs)
    expect(why(ours, orThrow(readBeef(writeBeef([fuel, taken]))))).toMatch(/does not satisfy its lock/)
  })

  test('refuses the tokens of a job in a transaction of somebody else’s', () => {
    const thief = party('thief')
    const [coin] = mine([coins(thief, 'coins of a thief', 1, 20_000)])
    if (coin === undefined) throw new Error('a thief has a coin')
    const tokens = jobHistory(round, 'normalize', key).at(-1)?.outputs.slice(0, 4) ?? []
    const copy = signTransaction([p2pkhSpend(coin, 0, thief)], tokens)
    expect(why(ours, orThrow(readBeef(writeBeef([coin, copy]))))).toMatch(/name the inputs/)
  })

  test('refuses a first job that spends a thread instead of fuel', () => {
    const history = jobHistory(round, 'normalize', key)
    const job = history.at(-1)
    if (job === undefined) throw new Error('there is a job')
    const subject = orThrow(readJob(beefOf('normalize'), ours, 0)).facts.subject
    const again = signTransaction(
      [
        tokenSpend(job, 3, 'GDJ1', subject, round.log),
        { ...tokenSpend(job, 4, 'GDJ1', subject, round.log), privateKey: round.log.privateKey },
      ],
      [...job.outputs.slice(0, 4).map(output => ({ ...output, satoshis: 1 })), payTo(round.log, 1)],
    )
    expect(why(ours, orThrow(readBeef(writeBeef([...history, again]))))).not.toBe('taken')
  })
})
