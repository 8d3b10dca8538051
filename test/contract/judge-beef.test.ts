import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type BeefTransaction, readBeef, writeBeef } from '../../src/contract/beef.ts'
import { judgeBeef, readHistory } from '../../src/contract/judge-beef.ts'
import { pipelineTransaction } from '../../src/contract/pipeline-transaction.ts'
import { p2pkhLock } from '../../src/contract/script.ts'
import { type Spend, signTransaction } from '../../src/contract/spend.ts'
import { tokenScript } from '../../src/contract/tokens.ts'
import type { Output, Transaction } from '../../src/contract/transaction.ts'
import { anchorScript } from '../../src/core/certificate/anchor.ts'
import { orThrow } from '../../src/core/fault.ts'
import { type Level, levels } from '../../src/core/level.ts'
import type { Role } from '../../src/core/rounds/pipeline.ts'
import { rootOver } from '../../src/core/rounds/round.ts'
import { sha256Hex } from '../../src/core/sha256.node.ts'
import { output } from '../support/pipeline.ts'
import { mine } from '../support/private-chain.ts'
import {
  agents,
  certificateScripts,
  coins,
  coordinator,
  factsOf,
  jobTransaction,
  madeUpRound,
  operators,
  p2pkhSpend,
  resultScript,
  resultTransaction,
  roundId,
  seatScript,
  threadScript,
  tokenSpend,
} from './made-up-round.ts'

const host = { templates: ['packet'] } as const
const facts = factsOf('normalize', 'enhanced', [0, 1])
const leaves = [0, 1].map(member => sha256Hex(`normalize of ${member}`))
const [fuel] = mine([coins('fuel', 6)])
if (fuel === undefined) throw new Error('no fuel')
const change = output(p2pkhLock(coordinator.publicKey), 10)
const job = jobTransaction(facts, [p2pkhSpend(fuel, 0)])
const results = [0, 1, 2].map(seat => resultTransaction(facts, job, seat, leaves))
const judgeAll = (...transactions: BeefTransaction[]) => judgeBeef(writeBeef(transactions), host)

describe('a round', () => {
  test.each(levels)('of level %s is admitted at every step, by the topic of the step', level => {
    const { history } = madeUpRound(level, 3)
    const topics = history.slice(1).map((_, i) => {
      const upTo = history.slice(0, i + 2)
      // Results stand beside each other: only the last of them and its own ancestors are a BEEF.
      const beef = writeBeef(upTo.filter(each => each === upTo.at(-1) || isAncestor(each, upTo)))
      const judged = judgeBeef(beef, host)
      return judged.ok ? judged.value.topic : judged.fault.detail
    })
    expect(new Set(topics)).toEqual(new Set(['normalize', 'validate', 'certify', 'certified']))
    expect(topics.at(-1)).toBe('certified')
  })

  function isAncestor(candidate: Transaction, upTo: readonly Transaction[]): boolean {
    const subject = upTo.at(-1)
    const wanted = new Set(subject?.inputs.map(({ txid }) => txid))
    for (const each of upTo.toReversed())
      if (wanted.has(each.txid)) for (const { txid } of each.inputs) wanted.add(txid)
    return wanted.has(candidate.txid)
  }

  test('names the outputs to admit', () => {
    expect(judgeAll(fuel, job)).toEqual({ ok: true, value: { topic: 'normalize', outputs: [0, 1, 2, 3] } })
    const [result] = results
    if (result === undefined) throw new Error('no result')
    expect(judgeAll(fuel, job, result)).toEqual({ ok: true, value: { topic: 'normalize', outputs: [0] } })
  })
})

describe('what a host is sent', () => {
  test('with a block proof in place of a token’s history is not admitted', () => {
    const [minedJob] = mine([job], 9)
    const [result] = results
    if (minedJob === undefined || result === undefined) throw new Error('nothing mined')
    for (const transactions of [[minedJob, result], [minedJob]])
      expect(judgeAll(...transactions)).toMatchObject({
        fault: { code: 'not-admitted', detail: expect.stringMatching(/history/) },
      })
  })

  test('may burn the change of a mined job as fuel', () => {
    const withChange = signTransaction([p2pkhSpend(fuel, 0)], [...job.outputs, change])
    const [mined] = mine([withChange], 9)
    if (mined === undefined) throw new Error('nothing mined')
    expect(judgeAll(mined, jobTransaction(facts, [p2pkhSpend(mined, 4)]))).toMatchObject({ ok: true })
    expect(judgeAll(fuel, withChange, jobTransaction(facts, [p2pkhSpend(withChange, 4)]))).toMatchObject({
      fault: { code: 'not-admitted' },
    })
  })

  test('with too few equal results behind a step is not admitted', () => {
    const step = (spent: readonly Transaction[]) =>
      jobTransaction(factsOf('validate', 'enhanced', [0, 1], rootOver(leaves)), [
        ...spent.map(result => tokenSpend(result, 0, 'GDR1', coordinator)),
        tokenSpend(job, 3, 'GDJ1', coordinator),
        p2pkhSpend(fuel, 1),
      ])
    const two = results.slice(0, 2)
    expect(judgeAll(fuel, job, ...two, step(two))).toMatchObject({ ok: true })
    const one = results.slice(0, 1)
    expect(judgeAll(fuel, job, ...one, step(one))).toMatchObject({ fault: { code: 'not-admitted' } })
  })

  test('that holds nothing of the pipeline is not admitted', () => {
    const payment = signTransaction([p2pkhSpend(fuel, 0)], [change])
    expect(judgeAll(fuel, payment)).toMatchObject({ fault: { code: 'not-admitted' } })
  })

  test('is not read beyond the first token that is none', () => {
    const [minedFuel] = mine([coins('many', 65)])
    if (minedFuel === undefined) throw new Error('no fuel')
    const many = Array.from({ length: 65 }, (_, i) => jobTransaction(facts, [p2pkhSpend(minedFuel, i)]))
    const last = (transactions: readonly Transaction[]) =>
      signTransaction(
        transactions.map(each => tokenSpend(each, 3, 'GDJ1', coordinator)),
        [change],
      )
    expect(judgeAll(minedFuel, ...many, last(many))).toMatchObject({
      fault: { code: 'not-admitted', detail: expect.stringMatching(/65 transactions with tokens/) },
    })
    const spoilt = signTransaction([p2pkhSpend(fuel, 0)], [...job.outputs.slice(0, 3), change])
    expect(judgeAll(fuel, spoilt, signTransaction([p2pkhSpend(spoilt, 3)], [change]))).toMatchObject({
      fault: { code: 'not-admitted', detail: expect.stringMatching(`${spoilt.txid.slice(0, 16)}.*thread`) },
    })
  })

  test('that is no BEEF, or longer than the host takes, is refused as such', () => {
    expect(judgeBeef(new Uint8Array(10), host)).toMatchObject({ fault: { code: 'transaction-invalid' } })
    expect(judgeBeef(writeBeef([fuel, job]), host, 100)).toMatchObject({
      fault: { detail: expect.stringMatching(/longer than 100/) },
    })
  })

  test('with any byte changed is never admitted as a certificate of the same round', () => {
    const { beef } = madeUpRound('basic', 1)
    fc.assert(
      fc.property(fc.nat(beef.length - 1), fc.integer({ min: 1, max: 255 }), (at, difference) => {
        const copy = beef.slice()
        copy[at] = (copy[at] ?? 0) ^ difference
        const judged = judgeBeef(copy, host)
        // A tag that no longer reads leaves a transaction that certifies nothing: at most it closes the round.
        if (!judged.ok || judged.value.topic !== 'certified') return
        // What is left admitted differs in fuel, amounts or unlocking scripts, which scripts and headers decide.
        const read = orThrow(readBeef(copy))
        const before = orThrow(readBeef(beef))
        const roles = (each: typeof read) => [...orThrow(readHistory(each)).values()].map(({ role }) => role)
        expect(roles(read).map(withoutOutpoints)).toEqual(roles(before).map(withoutOutpoints))
      }),
      { numRuns: 150 },
    )
  })

  function withoutOutpoints(role: Role) {
    return role.kind === 'result' ? { ...role, jobOutpoint: undefined } : role
  }
})

describe('a transaction of the pipeline', () => {
  const roleOf = (outputs: readonly Output[], spends: readonly Spend[] = [p2pkhSpend(fuel, 0)]) =>
    pipelineTransaction(signTransaction(spends, outputs)).role
  const paid = [p2pkhSpend(fuel, 0)]
  const seats = [0, 1, 2].map(seat => output(seatScript(facts, seat, paid)))
  const thread = output(threadScript(facts, paid))
  const result = output(resultScript(facts, job, 0, leaves))
  const [anchor, certificate] = certificateScripts('enhanced', 0, sha256Hex('version 0')).map(script =>
    output(script),
  )
  const [anchor2, certificate2] = certificateScripts('enhanced', 1, sha256Hex('version 1')).map(script =>
    output(script),
  )
  const [, basic] = certificateScripts('basic', 1, sha256Hex('version 1')).map(script => output(script))
  if (!anchor || !certificate || !anchor2 || !certificate2 || !basic) throw new Error('no certificate')

  test('is a job with its seats and facts', () => {
    expect(roleOf([...seats, thread, change])).toEqual({
      kind: 'job',
      facts: { coordinator: coordinator.identityKey, subject: roundId, ...facts },
      seats: agents.map((agent, i) => ({ agentKey: agent.identityKey, operator: operators[i]?.identityKey })),
    })
  })

  test('is a result that names its coordinator, whom it is locked to', () => {
    expect(roleOf([result])).toMatchObject({
      kind: 'result',
      facts: { coordinator: coordinator.identityKey, subject: roundId, ...facts },
      agentKey: agents[0].identityKey,
      lockedTo: coordinator.identityKey,
      jobOutpoint: { txid: job.txid, vout: 0 },
      leaves,
    })
  })

  test('is a certificate with each member and its version', () => {
    expect(roleOf([anchor, certificate, anchor2, certificate2, change])).toEqual({
      kind: 'certificate',
      coordinator: coordinator.identityKey,
      subject: roundId,
      template: 'packet',
      level: 'enhanced',
      members: [
        { index: 0, versionId: sha256Hex('version 0') },
        { index: 1, versionId: sha256Hex('version 1') },
      ],
    })
  })

  test('is plain without a pipeline token, also with other tokens and anchors', () => {
    const batch = { streamId: 's', sourceId: 'x', count: 1 }
    const events = output(tokenScript('GDE1', coordinator, sha256Hex('batch'), batch))
    for (const outputs of [[change], [events], [anchor], [output(new Uint8Array(50), 0)]])
      expect(roleOf(outputs)).toEqual({ kind: 'plain' })
  })

  const otherFacts = output(threadScript(factsOf('normalize', 'enhanced', [0]), paid))
  const broken = output(thread.script.map((byte, i) => (i === 60 ? byte ^ 1 : byte)))
  const stranger = output(
    tokenScript('GDC1', agents[0], sha256Hex('version 1'), {
      roundId,
      index: 1,
      template: 'packet',
      level: 'enhanced',
      packetId: sha256Hex('packet 1'),
    }),
  )
  const anchored = (parents: string[]) =>
    output(anchorScript({ manifestHash: sha256Hex('version 0'), parents }), 0)
  const twoPushes = output(Uint8Array.of(0x6a, ...anchor.script.subarray(2)), 0)
  const malformed: [string, Output[], RegExp][] = [
    ['seats without a thread', [...seats, change], /thread/],
    ['a thread before its seats', [thread, ...seats], /thread/],
    ['change among its seats', [...seats.slice(0, 1), change, ...seats.slice(1), thread], /thread/],
    ['two threads', [...seats, thread, thread], /thread/],
    ['facts that differ', [...seats, otherFacts], /facts/],
    ['a broken token', [...seats, broken], /output 3/],
    ['a token of no satoshis', [...seats, { ...thread, satoshis: 0 }], /satoshi/],
    ['more seats than any level has', [...seats, ...seats, thread], /at most 3 seats/],
    [
      'more certificates than a round has packets',
      Array(65).fill([anchor, certificate]).flat(),
      /at most 64/,
    ],
    [
      'data after its anchors',
      [anchor, certificate, change, output(Uint8Array.of(0x6a, 1, 7), 0)],
      /output 3/,
    ],
    ['data in odd pushes', [anchor, certificate, output(Uint8Array.of(0, 0x6a, 0x4c, 1, 7), 0)], /output 2/],
    ['tokens of two kinds', [...seats, thread, result], /mixes/],
    ['a result and change', [result, change], /no other output/],
    ['two results', [result, result], /no other output/],
    ['a certificate without its anchor', [change, certificate], /anchor/],
    ['a certificate at an even output', [certificate, anchor], /outputs 1/],
    ['certificates with a gap', [anchor, certificate, change, change, anchor2, certificate2], /outputs 1/],
    ['the anchor of another version', [anchor2, certificate], /anchor/],
    ['anchors swapped', [anchor2, certificate, anchor, certificate2], /anchor/],
    ['an anchor more than tokens', [anchor, certificate, anchor2], /anchor/],
    ['an anchor hidden at an odd output', [anchor, certificate, change, anchor2], /output 3/],
    ['an anchor in another spelling', [twoPushes, certificate], /anchor/],
    ['certificates of two levels', [anchor, certificate, anchor2, basic], /different/],
    ['certificates of two issuers', [anchor, certificate, anchor2, stranger], /different/],
  ]
  test.each(malformed)('with %s is malformed', (_, outputs, why) => {
    expect(roleOf(outputs)).toMatchObject({ kind: 'malformed', why: expect.stringMatching(why) })
  })

  test('may anchor parents', () => {
    expect(roleOf([anchored([sha256Hex('parent')]), certificate])).toMatchObject({ kind: 'certificate' })
  })

  test('has version 1 and final sequences, or is malformed', () => {
    const built = signTransaction([p2pkhSpend(fuel, 0)], [...seats, thread])
    const unsettled = [
      { ...built, version: 2 },
      { ...built, inputs: built.inputs.map(input => ({ ...input, sequence: 0 })) },
    ]
    for (const transaction of unsettled)
      expect(pipelineTransaction(transaction).role).toMatchObject({
        kind: 'malformed',
        why: expect.stringMatching(/version 1/),
      })
  })
})

describe('levels', () => {
  test('decide how many seats a job has', () => {
    const short = (level: Level, count: number) => {
      const own = factsOf('normalize', level, [0])
      const paid = [p2pkhSpend(fuel, 0)]
      const outputs = Array.from({ length: count }, (_, seat) => output(seatScript(own, seat, paid)))
      return judgeAll(fuel, signTransaction(paid, [...outputs, output(threadScript(own, paid))]))
    }
    expect(short('basic', 1)).toMatchObject({ ok: true })
    expect(short('enhanced', 2)).toMatchObject({
      fault: { code: 'not-admitted', detail: expect.stringMatching(/seats/) },
    })
    expect(short('critical', 3)).toMatchObject({ ok: true })
  })
})
