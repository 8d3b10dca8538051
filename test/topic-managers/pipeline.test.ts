import { Transaction as SdkTransaction } from '@bsv/sdk'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readSyncPage } from '../../src/adapters/discovery/sync-feed.ts'
import { readHistory as readStoredHistory } from '../../src/adapters/fuel/read-history.ts'
import { reindex } from '../../src/adapters/overlay/reindex.ts'
import { seatInOverlay } from '../../src/adapters/uhrp/may-upload.ts'
import { type BeefTransaction, readBeef, writeBeef } from '../../src/contract/beef.ts'
import { readHistory } from '../../src/contract/judge-beef.ts'
import { baseLookupServices, baseTopics } from '../../src/contract/names.ts'
import { pipelineTransaction } from '../../src/contract/pipeline-transaction.ts'
import { type Spend, signTransaction } from '../../src/contract/spend.ts'
import type { Transaction } from '../../src/contract/transaction.ts'
import { anchorScript } from '../../src/core/certificate/anchor.ts'
import { orThrow } from '../../src/core/fault.ts'
import { trailOf } from '../../src/core/rounds/judging/trail.ts'
import { noLeaf } from '../../src/core/rounds/pipeline.ts'
import { rootOver } from '../../src/core/rounds/round.ts'
import { type Stage, stages } from '../../src/core/rounds/template.ts'
import { sha256Hex } from '../../src/core/sha256.node.ts'
import { hostedTopics } from '../../src/node/hosted-topics.ts'
import { type OverlayBed, overlayBed } from '../support/overlay-bed.ts'
import {
  type Answer,
  certificateScripts,
  type Facts,
  jobTransaction,
  output,
  type Party,
  party,
  resultScript,
  resultTransaction,
  type Seat,
  tokenSpend,
} from '../support/pipeline.ts'
import { historyOf, roundOnBed } from '../support/round-on-bed.ts'
import { until } from '../support/until.ts'

const coordinator = party('coordinator')
const rival = party('another coordinator')
const operators = ['north', 'east', 'south'].map(name => party(`operator ${name}`))
const subject = sha256Hex('a round')
const asker = { coordinator, subject }
const topicOf = (stage: Stage | 'certified') => baseTopics[stage]
const agentAt = (stage: string, seat: number) => party(`agent ${stage} ${seat}`)
const leavesOf = (stage: string) => [0, 1].map(member => sha256Hex(`${stage} ${member}`))

describe('a pipeline topic', () => {
  let bed: OverlayBed
  beforeAll(async () => {
    bed = await overlayBed()
  })
  afterAll(() => bed.close())

  describe.each(stages)('at the stage %s', stage => {
    const admittedOf = async (made: Made, overlay = bed.overlay) => {
      const { transaction, topics, scene } = made
      const answer = await overlay.submit({ beef: scene.beefWith(transaction), topics })
      // A sound transaction: what is wrong with it is for the topic to find.
      expect(answer).toMatchObject({ ok: true })
      if (!answer.ok) return []
      return Object.values(answer.value).flatMap(({ outputsToAdmit }) => outputsToAdmit)
    }
    const reach = async (more: Partial<Honest> = {}) => reachStage(bed, stage, more)

    test('admits what keeps the rules', async () => {
      const scene = await reach()
      expect(await admittedOf(scene.job())).toHaveLength(4)
      expect(await admittedOf(scene.result(0))).toEqual([0])
      expect((await admittedOf(scene.next())).length).toBeGreaterThan(1)
    })

    const jobs: Record<string, (scene: Scene) => Made> = {
      'with fewer seats than its level asks for': scene => scene.job({ seats: 2 }),
      'with two agents of one operator': scene => scene.job({ operatorOf: seat => operators[seat % 2] }),
      'with its coordinator among its operators': scene =>
        scene.job({ operatorOf: seat => [coordinator, ...operators][seat] }),
      'with an operator whose word ends before the deadline': scene => scene.job({ operatorToMs: 1 }),
      'of a kind of work that nobody knows': scene => scene.job({ facts: { template: 'other' } }),
    }
    test.each(Object.keys(jobs))('admits no job %s', async name => {
      const scene = await reach()
      expect(await admittedOf(jobs[name]?.(scene) ?? scene.job())).toEqual([])
    })

    test('admits no job with an operator that is not on the list of the host', async () => {
      const listed = operators.slice(0, 2).map(({ identityKey }) => identityKey)
      const overlay = bed.open({ hosted: hostedTopics(bed.database, { operators: listed }) })
      const scene = await reach()
      expect(await admittedOf(scene.job(), overlay)).toEqual([])
      expect(await admittedOf(scene.job())).toHaveLength(4)
    })

    test('admits no work of a coordinator that is not on the list of the host', async () => {
      const hosted = hostedTopics(bed.database, { coordinators: [rival.identityKey] })
      expect(await admittedOf((await reach()).job(), bed.open({ hosted }))).toEqual([])
    })

    const results: Record<string, (scene: Scene) => Made> = {
      'that spends fuel instead of a seat': scene => scene.result(0, { spend: scene.fuel() }),
      'that spends the thread': scene => scene.result(0, { spend: scene.threadSpend() }),
      'that is locked to a third key': scene => scene.result(0, { coordinator: rival }),
      'of another agent than the seat’s': scene => scene.result(0, { agent: agentAt(stage, 1) }),
      'for another seat than it spends': scene => scene.result(0, { vout: 1 }),
      'that repeats other facts': scene => scene.result(0, { facts: { deadlineMs: 1 } }),
    }
    test.each(Object.keys(results))('admits no result %s', async name => {
      const scene = await reach()
      expect(await admittedOf(results[name]?.(scene) ?? scene.result(0))).toEqual([])
    })

    const steps: Record<string, [Partial<Honest>, (scene: Scene) => Made]> = {
      'without a quorum': [{}, scene => scene.next({ results: [0] })],
      'upon failures that agree': [{ status: 'failed' }, scene => scene.next()],
      'for a member that the results do not agree on': [
        { leavesAt: seat => [leavesOf(stage)[0] ?? '', sha256Hex(`dissent ${seat}`)] },
        scene => scene.next(),
      ],
      'by another coordinator': [{}, scene => scene.next({ by: rival })],
      'of another round': [{}, scene => scene.next({ subject: sha256Hex('another round') })],
      'that skips a stage, or comes back to its own': [{}, scene => scene.next({ skip: true })],
    }
    test.each(Object.keys(steps))('admits no step %s', async name => {
      const [honest, attack] = steps[name] ?? [{}, scene => scene.next()]
      const scene = await reach(honest)
      expect(await admittedOf(attack(scene))).toEqual([])
    })

    test('admits no step with results of another job', async () => {
      const [one, other] = [await reach(), await reach()]
      expect(await admittedOf(one.next({ resultsOf: other }))).toEqual([])
    })

    test('admits nothing of a history that block proofs cut short, and all of it when it comes in full', async () => {
      const scene = await reach()
      const made = scene.next()
      const { subject: _, ...beef } = scene.beefWith(made.transaction)
      const unproven = beef.transactions.filter(({ proof, txid }) => !proof && txid !== made.transaction.txid)
      expect((await bed.chain.broadcast(unproven)).kind).toBe('accepted')
      const statuses = () => bed.chain.statusOf(unproven.map(({ txid }) => txid))
      await bed.mine()
      await until(async () => [...(await statuses()).values()].every(({ kind }) => kind === 'mined'))
      const proven = [...(await statuses())].flatMap(([txid, status]) => {
        const transaction = beef.byTxid.get(txid)
        return transaction && status.kind === 'mined' ? [{ ...transaction, proof: status.proof }] : []
      })
      const short = historyOf([scene.source, ...proven], [], made.transaction)
      const cut = orThrow(await bed.overlay.submit({ beef: short, topics: made.topics }))
      expect(Object.values(cut).flatMap(({ outputsToAdmit }) => outputsToAdmit)).toEqual([])
      expect((await admittedOf(made)).length).toBeGreaterThan(1)
    })

    test('lets the agent of a seat store its output under it, and nobody else', async () => {
      const scene = await reach()
      const { transaction } = scene.job()
      await admittedOf(scene.job())
      const mayUpload = seatInOverlay({
        db: bed.database.pool,
        coordinators: [coordinator.identityKey],
        quotaBytes: 1_000_000,
        now: () => 0,
      })
      const asked = (vout: number, agent: Party) =>
        mayUpload(agent.identityKey, {
          jobOutpoint: { txid: transaction.txid, vout },
          sha256: '00'.repeat(32),
          length: 1,
        })
      expect((await asked(0, agentAt(stage, 0))).ok).toBe(true)
      for (const [vout, agent] of [
        [0, rival],
        [1, agentAt(stage, 0)],
        [3, coordinator],
        [4, coordinator],
      ] as const)
        expect((await asked(vout, agent)).ok).toBe(false)
    })
  })

  describe('of certificates', () => {
    const attacks: Record<string, CertificateChange> = {
      'whose anchor names another version': { anchored: sha256Hex('another version') },
      'of another version than the results agree on': { version: sha256Hex('another version') },
      'with data beside its anchors': {
        more: [output(anchorScript({ manifestHash: noLeaf, parents: [] }), 0)],
      },
    }
    test.each(Object.keys(attacks))('admits none %s', async name => {
      const scene = await reachStage(bed, 'certify')
      const made = scene.next({ certificate: attacks[name] ?? {} })
      const answer = await bed.overlay.submit({
        beef: scene.beefWith(made.transaction),
        topics: made.topics,
      })
      const steak = answer.ok ? Object.values(answer.value) : []
      expect(steak.flatMap(({ outputsToAdmit }) => outputsToAdmit)).toEqual([])
    })
  })
})

type Made = { readonly transaction: Transaction; readonly topics: readonly string[]; readonly scene: Scene }
type Honest = {
  readonly status: Answer['status']
  leavesAt(seat: number): readonly string[]
}
type JobChange = {
  readonly seats?: number
  readonly operatorToMs?: number
  readonly facts?: Partial<Facts>
  operatorOf?(seat: number): Party | undefined
}
type ResultChange = {
  readonly spend?: Spend
  readonly coordinator?: Party
  readonly agent?: Party
  readonly vout?: number
  readonly facts?: Partial<Facts>
}
type CertificateChange = {
  readonly anchored?: string
  readonly version?: string
  readonly more?: readonly ReturnType<typeof output>[]
}
type NextChange = {
  readonly results?: readonly number[]
  readonly resultsOf?: {
    readonly results: readonly Transaction[]
    readonly own: readonly Transaction[]
    readonly source: BeefTransaction
  }
  readonly by?: Party
  readonly subject?: string
  readonly skip?: boolean
  readonly certificate?: CertificateChange
}
type Scene = Awaited<ReturnType<typeof reachStage>>

/** A round that has honestly come to a stage, with what would come next there, or something else instead. */
async function reachStage(bed: OverlayBed, stage: Stage, honest: Partial<Honest> = {}) {
  const spends = await bed.fund(coordinator, 16, 3000)
  const [first] = spends
  if (first === undefined) throw new Error('the bed has not funded the round')
  const probe = signTransaction([first], [output(new Uint8Array([0x51]))])
  const source = bed.beefOf(probe).byTxid.get(first.txid)
  if (source === undefined) throw new Error('the fuel has no proof')
  let spent = 0
  const fuel = (): Spend => {
    const spend = spends[spent++]
    if (spend === undefined) throw new Error('the fuel is used up')
    return spend
  }
  const own: Transaction[] = []
  const sources = [source]
  const kept = <T extends Transaction>(transaction: T): T => {
    own.push(transaction)
    return transaction
  }
  let carried: Spend[] = []
  let inputRoot = noLeaf
  const factsOf = (at: Stage): Facts => ({
    template: 'packet',
    stage: at,
    level: 'enhanced',
    members: [0, 1],
    inputRoot,
    inputHash: sha256Hex('a round document'),
    deadlineMs: 1_790_000_000_000,
    outputBytesMax: 1000,
  })
  const seatsOf = (at: Stage, facts: Facts, change: JobChange = {}): Seat[] =>
    Array.from({ length: change.seats ?? 3 }, (_, seat) => ({
      agent: agentAt(at, seat),
      operator: change.operatorOf?.(seat) ?? operators[seat] ?? coordinator,
      operatorFromMs: 0,
      operatorToMs: change.operatorToMs ?? facts.deadlineMs,
    }))
  const answer = (
    at: Stage,
    seat: number,
    leaves = leavesOf(at),
    status: Answer['status'] = 'completed',
  ) => ({
    status,
    leaves: [...leaves],
    workHash: sha256Hex(`work ${at} ${seat}`),
    evidenceHash: sha256Hex(`evidence ${seat}`),
  })
  const resultsOf = (at: Stage, facts: Facts, job: Transaction, of: Partial<Honest> = {}) =>
    operators.map((_, seat) =>
      kept(
        resultTransaction(
          asker,
          facts,
          job,
          seat,
          agentAt(at, seat),
          answer(at, seat, [...(of.leavesAt?.(seat) ?? leavesOf(at))], of.status),
        ),
      ),
    )
  const spendsOf = (job: Transaction, results: readonly Transaction[]) => [
    tokenSpend(job, 3, 'GDJ1', subject, coordinator),
    ...results.map(result => tokenSpend(result, 0, 'GDR1', subject, coordinator)),
  ]
  for (const before of stages.slice(0, stages.indexOf(stage))) {
    const facts = factsOf(before)
    const job = kept(jobTransaction(asker, facts, seatsOf(before, facts), [...carried, fuel()]))
    carried = spendsOf(job, resultsOf(before, facts, job))
    inputRoot = rootOver(leavesOf(before))
  }
  const facts = factsOf(stage)
  const before = stages[stages.indexOf(stage) - 1]
  const jobSpends = [...carried, fuel()]
  const honestJob = kept(jobTransaction(asker, facts, seatsOf(stage, facts), jobSpends))
  const honestResults = resultsOf(stage, facts, honestJob, honest)
  const after = stages[stages.indexOf(stage) + 1]
  const beefWith = (transaction: Transaction) => historyOf(sources, own, transaction)
  const scene = {
    results: honestResults,
    source,
    fuel,
    beefWith,
    threadSpend: () => tokenSpend(honestJob, 3, 'GDJ1', subject, coordinator),
    job(change: JobChange = {}) {
      const changed = { ...facts, ...change.facts }
      const transaction =
        Object.keys(change).length === 0
          ? honestJob
          : jobTransaction(asker, changed, seatsOf(stage, changed, change), jobSpends)
      return made(transaction, [topicOf(stage), ...(before === undefined ? [] : [topicOf(before)])])
    },
    result(seat: number, change: ResultChange = {}) {
      const transaction = Object.keys(change).length === 0 ? honestResults[seat] : changedResult(seat, change)
      if (transaction === undefined) throw new Error(`the job has no seat ${seat}`)
      return made(transaction, [topicOf(stage)])
    },
    next(change: NextChange = {}) {
      const { results = [0, 1, 2], resultsOf: other, by = coordinator } = change
      const spentResults = results.flatMap(seat => (other?.results ?? honestResults)[seat] ?? [])
      if (other !== undefined) {
        own.push(...other.own)
        sources.push(other.source)
      }
      const spends = [...spendsOf(honestJob, spentResults), fuel()]
      const who = { coordinator: by, subject: change.subject ?? subject }
      const nextStage = change.skip ? (stage === 'normalize' ? 'certify' : stage) : after
      const nextFacts: Facts = {
        ...facts,
        stage: nextStage ?? stage,
        inputRoot: rootOver(leavesOf(stage)),
      }
      const transaction =
        nextStage === undefined
          ? certificate(who, spends, change.certificate)
          : jobTransaction(who, nextFacts, seatsOf(nextStage, nextFacts), spends)
      return made(transaction, [topicOf(nextStage ?? 'certified'), topicOf(stage)])
    },
    own,
  }
  return scene

  function made(transaction: Transaction, topics: readonly string[]) {
    return { transaction, topics: [...new Set(topics)], scene: { ...scene } }
  }

  function changedResult(seat: number, change: ResultChange): Transaction {
    const agent = change.agent ?? agentAt(stage, seat)
    const said = answer(stage, seat)
    const script = resultScript(
      { ...asker, coordinator: change.coordinator ?? coordinator },
      { ...facts, ...change.facts },
      { txid: honestJob.txid, vout: change.vout ?? seat },
      agent,
      said,
    )
    const spend = change.spend ?? tokenSpend(honestJob, seat, 'GDJ1', subject, agentAt(stage, seat))
    return signTransaction([spend], [output(script)])
  }

  function certificate(
    who: { readonly coordinator: Party; readonly subject: string },
    spends: readonly Spend[],
    { anchored, version, more = [] }: CertificateChange = {},
  ): Transaction {
    const outputs = leavesOf('certify').flatMap((leaf, index) => {
      const versionId = index === 0 ? (version ?? leaf) : leaf
      const packetId = sha256Hex(`packet ${index}`)
      const [anchor, token] = certificateScripts(who, {
        level: 'enhanced',
        index,
        packetId,
        versionId,
        parents: [],
      })
      const isChanged = index === 0 && anchored !== undefined
      const script = isChanged ? anchorScript({ manifestHash: anchored, parents: [] }) : anchor
      return [output(script, 0), output(token)]
    })
    return signTransaction(spends, [...outputs, ...more])
  }
}

describe('a whole round', () => {
  let bed: OverlayBed
  beforeAll(async () => {
    bed = await overlayBed()
    await bed.overlay.start()
  })
  afterAll(() => bed.close())

  /** What is admitted and indexed, with every transaction called by its place in the round. */
  const standing = async (steps: readonly { readonly transaction: { readonly txid: string } }[]) => {
    const { pool } = bed.database
    const placeOf = new Map(steps.map(({ transaction }, place) => [transaction.txid, place]))
    const txids = [...placeOf.keys()].map(txid => `\\x${txid}`)
    const rows: unknown[][] = []
    for (const sql of [
      `select encode(txid, 'hex'), vout, topic, null, null from outputs where txid = any ($1)`,
      `select encode(txid, 'hex'), vout, kind, encode(operator, 'hex'), encode(spent_by, 'hex') from gitdata_jobs where txid = any ($1)`,
      `select encode(txid, 'hex'), vout, level, encode(version_id, 'hex'), encode(spent_by, 'hex') from gitdata_certificates where txid = any ($1)`,
    ]) {
      const found = await pool.query<unknown[]>({ text: sql, values: [txids], rowMode: 'array' })
      rows.push(...found.rows)
    }
    return rows.map(row => row.map(value => placeOf.get(String(value)) ?? value).join(' ')).sort()
  }

  test('ends in the same, in whichever order its transactions reach a node', async () => {
    const expected = await submitted([...Array(13).keys()])
    expect(expected.length).toBe(23 + 21 + 2)
    for (const order of [
      [12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0],
      [5, 0, 9, 12, 3, 1, 8, 2, 11, 4, 10, 7, 6],
      [8, 4, 12, 0, 1, 2, 3, 5, 6, 7, 9, 10, 11],
    ])
      expect(await submitted(order)).toEqual(expected)
  })

  const submitted = async (order: readonly number[]) => {
    const { steps } = await roundOnBed(bed)
    for (const at of order) {
      const step = steps[at]
      if (step !== undefined) orThrow(await bed.overlay.submit(step))
    }
    return standing(steps)
  }

  test('is proven to the stock SDK, and shows every quorum also once all of it is mined', async () => {
    const { steps, operators: asked } = await roundOnBed(bed)
    for (const step of steps) orThrow(await bed.overlay.submit(step))
    const last = steps.at(-1)
    if (last === undefined) throw new Error('the round has no certificate')
    const { txid } = last.transaction
    const sdk = SdkTransaction.fromHexBEEF(Buffer.from(writeBeef(last.beef.transactions)).toString('hex'))
    const headers = {
      isValidRootForHeight: async (root: string, height: number) => (await bed.chain.rootAt(height)) === root,
      currentHeight: async () => (await bed.chain.tip()).height,
    }
    expect(await sdk.verify(headers)).toBe(true)

    const unproven = last.beef.transactions.filter(({ proof }) => proof === undefined)
    expect((await bed.chain.broadcast(unproven)).kind).toBe('accepted')
    await bed.mine()
    const { pool } = bed.database
    const isProven = async () => {
      const { rows } = await pool.query('select from transactions where txid = $1 and proof is not null', [
        `\\x${txid}`,
      ])
      return rows.length === 1
    }
    await until(isProven)
    const stored = await readStoredHistory(pool, txid)
    if (stored === undefined) throw new Error('the certificate has no history')
    const trail = trailOf(pipelineTransaction(stored.beef.subject), orThrow(readHistory(stored.beef)))
    expect(trail.map(({ facts, answers }) => [facts.stage, answers.map(({ operator }) => operator)])).toEqual(
      ['certify', 'validate', 'normalize'].map(stage => [stage, asked.map(({ identityKey }) => identityKey)]),
    )

    // Others are given it in the same form, so that they can admit it, and prove it, too.
    const found = orThrow(await bed.overlay.lookup(baseLookupServices.certificates, { txid }))
    const [given] = found.outputs
    const lookedUp = writeBeef(given?.history ?? [])
    const synced = await readSyncPage(pool, { topic: baseTopics.certified })
    const beefs = [lookedUp, ...synced.items.flatMap(each => (each.txid === txid ? (each.beef ?? []) : []))]
    expect(beefs).toHaveLength(2)
    for (const beef of beefs) {
      const bytes = typeof beef === 'string' ? Uint8Array.from(Buffer.from(beef, 'base64')) : beef
      const history = orThrow(readHistory(orThrow(readBeef(bytes))))
      expect(trailOf(pipelineTransaction(last.transaction), history)).toHaveLength(3)
      expect(await SdkTransaction.fromBEEF([...bytes]).verify(headers)).toBe(true)
    }
  })

  test('is found as before once both indexes are filled again', async () => {
    const { steps } = await roundOnBed(bed)
    for (const step of steps) orThrow(await bed.overlay.submit(step))
    const before = await standing(steps)
    const { services } = hostedTopics(bed.database)
    for (const name of [baseLookupServices.jobs, baseLookupServices.certificates]) {
      const service = services[name]
      if (service !== undefined) await reindex(service, bed.database.pool)
    }
    expect(await standing(steps)).toEqual(before)
  })
})
