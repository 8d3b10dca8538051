import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { CertificatesLookupService } from '../../lookup-services/certificates.ts'
import type { CertificateEntry, CertificatesQuery } from '../../lookup-services/certificates-index.ts'
import type { JobEntry, JobsQuery } from '../../lookup-services/jobs-index.ts'
import { pipelineIndexes } from '../../migrations/024-pipeline-indexes.ts'
import { walletLookups } from '../../migrations/033-wallet-lookups.ts'
import { postgresCertificatesIndex } from '../../src/adapters/indexes/certificates-index.ts'
import { postgresJobsIndex } from '../../src/adapters/indexes/jobs-index.ts'
import type { Database } from '../../src/adapters/postgres/database.ts'
import { baseTopics } from '../../src/contract/names.ts'
import { tokenScript } from '../../src/contract/tokens.ts'
import { utf8 } from '../../src/core/bytes.ts'
import { canonicalJson } from '../../src/core/canonical-json.ts'
import { readManifest } from '../../src/core/certificate/dlm-version.ts'
import { orThrow } from '../../src/core/fault.ts'
import { sha256Hex } from '../../src/core/sha256.node.ts'
import { migratedDatabase } from '../support/migrated-database.ts'
import { party } from '../support/pipeline.ts'
import { recordWrites } from './record-writes.ts'

const id = (name: string) => sha256Hex(`a ${name}`)
const key = (name: string) => party(name).identityKey
const [jobTx, resultTx, spender] = ['job', 'result', 'spender'].map(id)
const all = { order: 'asc', limit: 500 } as const

const said = {
  coordinator: key('log'),
  roundId: id('round'),
  template: 'packet',
  stage: 'normalize',
  level: 'enhanced',
  members: [0, 2, 5],
  inputHash: id('document'),
  deadlineMs: 9_000,
}
const seat = (vout: number): JobEntry => ({
  ...said,
  ...{ txid: jobTx ?? '', vout, kind: 'seat' },
  ...{ agentKey: key(`agent ${vout}`), operator: key(`operator ${vout}`) },
})
const thread: JobEntry = { ...said, txid: jobTx ?? '', vout: 3, kind: 'thread' }
const result = (vout: number): JobEntry => ({
  ...said,
  ...{ txid: id(`result ${vout}`), vout: 0, kind: 'result', agentKey: key(`agent ${vout}`) },
  jobOutpoint: { txid: jobTx ?? '', vout },
  status: 'completed',
  leaves: ['0', '2', '5'].map(id),
  ...{ workHash: id('work'), evidenceHash: id('evidence') },
})
const certificate = (packetNo: number, change: Partial<CertificateEntry> = {}): CertificateEntry => ({
  ...{
    txid: id(`certificate ${packetNo}`),
    vout: 1,
    coordinator: key('log'),
    roundId: id('round'),
    index: 0,
  },
  ...{ template: 'packet', level: 'enhanced', packetId: id(`packet ${packetNo}`) },
  ...{ versionId: id(`version ${packetNo}`), supersedes: null },
  manifest: {
    ...{ contentHash: id(`content ${packetNo}`), packetId: id(`packet ${packetNo}`) },
    ...{ streamId: 'greenhouse', partition: 0, packetNo, publisherKey: key('publisher') },
    ...{
      createdMs: 1000 + packetNo,
      sourceIds: ['roof', `door ${packetNo}`],
      parents: [id('parent'), id('other')],
    },
  },
  ...change,
})

let database: Database
beforeAll(async () => {
  database = await migratedDatabase()
})
afterAll(() => database.close())
beforeEach(async () => {
  await index().reset()
  await listed().reset()
})

const submission = (nowMs: number, ...steps: (() => Promise<void>)[]) =>
  recordWrites(database.pool, nowMs, async () => {
    for (const step of steps) await step()
  })
const index = () => postgresJobsIndex(database.pool)
const listed = () => postgresCertificatesIndex(database.pool)
const findJobs = (query: Partial<JobsQuery> = {}) => index().find({ ...all, ...query })
const find = (query: Partial<CertificatesQuery> = {}) => listed().find({ ...all, ...query })

describe('the index of jobs in PostgreSQL', () => {
  test('gives back what it was given, with only what each kind has', async () => {
    await submission(
      5,
      () => index().put(seat(0)),
      () => index().put(thread),
      () => index().put(result(0)),
    )
    const none = {
      agentKey: null,
      operator: null,
      jobOutpoint: null,
      status: null,
      leaves: null,
      workHash: null,
    }
    const rest = { evidenceHash: null, spentBy: null, admittedMs: 5 }
    expect(await findJobs({ kind: 'seat' })).toEqual([{ ...none, ...rest, ...seat(0) }])
    expect(await findJobs({ kind: 'thread' })).toEqual([{ ...none, ...rest, ...thread }])
    // A result counts for the operator of its seat.
    const operator = key('operator 0')
    expect(await findJobs({ kind: 'result' })).toEqual([{ ...none, ...rest, ...result(0), operator }])
  })

  test('finds a job with its seats, its thread and its results, and the answers to one seat', async () => {
    await submission(5, ...[0, 1, 2].map(vout => () => index().put(seat(vout))), () => index().put(thread))
    await submission(6, () => index().put(result(1)))
    const [answer] = await findJobs({ operator: key('operator 1'), kind: 'result' })
    expect(answer?.txid).toBe(id('result 1'))
    expect(await findJobs({ jobTxid: jobTx })).toHaveLength(5)
    expect(await findJobs({ jobOutpoint: { txid: jobTx ?? '', vout: 1 } })).toEqual([answer])
    expect(await findJobs({ jobOutpoint: { txid: jobTx ?? '', vout: 2 } })).toEqual([])
    expect(await findJobs({ deadlineFromMs: 9_001 })).toEqual([])
    expect(await findJobs({ admittedFromMs: 6 })).toEqual([answer])
  })

  test('lists page after page, in either order, each token once', async () => {
    for (const vout of [0, 1, 2]) await submission(5 + (vout % 2), () => index().put(seat(vout)))
    for (const order of ['asc', 'desc'] as const) {
      const seen: string[] = []
      for (let page = await findJobs({ order, limit: 1 }); page.length > 0; ) {
        const [last] = page
        if (last === undefined) break
        seen.push(`${last.admittedMs} ${last.vout}`)
        page = await findJobs({ order, limit: 1, after: last })
      }
      const inOrder = ['5 0', '5 2', '6 1']
      expect(seen).toEqual(order === 'asc' ? inOrder : inOrder.reverse())
    }
  })

  test('lists a seat as spent by what it was spent by, until that is taken back by the same', async () => {
    const spent = () => findJobs({ spent: true })
    await submission(
      5,
      () => index().put(seat(0)),
      () => index().markSpent(seat(0), spender ?? ''),
    )
    expect(await spent()).toMatchObject([{ spentBy: spender, admittedMs: 5 }])
    await submission(6, () => index().markUnspent(seat(0), resultTx ?? ''))
    expect(await spent()).toHaveLength(1)
    await submission(7, () => index().markUnspent(seat(0), spender ?? ''))
    expect(await spent()).toEqual([])
    expect(await findJobs({ spent: false })).toHaveLength(1)
  })

  test('forgets what is evicted, and takes no notice of the spend of what it does not have', async () => {
    await submission(5, () => index().put(seat(0)))
    await submission(6, () => index().remove(seat(0)))
    await submission(7, () => index().markSpent(seat(0), spender ?? ''))
    expect(await findJobs()).toEqual([])
  })

  test('refuses to be written when nothing is being judged', async () => {
    await expect(index().put(seat(0))).rejects.toThrow(/while a submission is judged/)
  })
})

describe('the index of certificates in PostgreSQL', () => {
  test('finds a certificate by whatever it and its manifest say', async () => {
    await submission(
      5,
      () => listed().put(certificate(1)),
      () => listed().put(certificate(2)),
    )
    const { manifest, ...rest } = certificate(1)
    const { sourceIds: _, parents: __, ...from } = manifest ?? {}
    const [found] = await find({ packetNo: 1 })
    const position = { admittedMs: 5, txid: rest.txid, vout: 1 }
    const expected = { ...rest, ...from, spentBy: null, admittedMs: 5, isForked: false, position }
    expect(found).toEqual(expected)
    for (const query of [
      { packetId: id('packet 1') },
      { versionId: id('version 1') },
      { contentHash: id('content 1') },
      { sourceId: 'door 1' },
      { publisherKey: key('publisher'), createdFromMs: 1001, createdToMs: 1002 },
      { coordinator: key('log'), streamId: 'greenhouse', partition: 0, packetNo: 1 },
    ])
      expect(await find(query)).toEqual([expected])
  })

  test('finds those of rounds in which an agent, or an agent of an operator, had a seat', async () => {
    await submission(
      5,
      () => index().put(seat(0)),
      () => listed().put(certificate(1)),
    )
    expect(await find({ agentKey: key('agent 0') })).toHaveLength(1)
    expect(await find({ operator: key('operator 0') })).toHaveLength(1)
    expect(await find({ operator: key('operator 1') })).toEqual([])
  })

  test('keeps the parents and sources that the manifest names, for the lineage of what others certify', async () => {
    await submission(5, () => listed().put(certificate(1)))
    const { rows } =
      await database.pool.query(`select sources, array(select encode(unnest(parents), 'hex')) as parents
      from gitdata_certificates`)
    expect(rows).toEqual([{ sources: ['roof', 'door 1'], parents: [id('parent'), id('other')] }])
    const { manifest } = certificate(2)
    await submission(6, () =>
      listed().put(certificate(2, { manifest: manifest && { ...manifest, parents: [] } })),
    )
    await submission(6, () => listed().put(certificate(3, { manifest: null })))
    const { rows: others } = await database.pool.query(
      `select cardinality(parents) as count from gitdata_certificates where admitted_ms = 6 order by packet_no`,
    )
    expect(others).toEqual([{ count: 0 }, { count: null }])
  })

  test('knows of a certificate without its manifest all but what only that says', async () => {
    await submission(5, () => listed().put(certificate(1, { manifest: null })))
    expect(await find()).toMatchObject([{ streamId: null, contentHash: null, versionId: id('version 1') }])
    const from = { streamId: 'greenhouse' }
    const others = [{ sourceId: 'roof' }, { publisherKey: key('publisher') }, { createdFromMs: 0 }]
    for (const query of [from, ...others]) expect(await find(query)).toEqual([])
  })

  test('shows every packet that has one number in a log, whatever else was asked', async () => {
    const other = certificate(1, {
      ...{ txid: id('rewritten'), packetId: id('another packet'), versionId: id('another version') },
    })
    await submission(
      5,
      () => listed().put(certificate(1)),
      () => listed().put(certificate(2)),
    )
    await submission(6, () => listed().put(other))
    const forked = await find({ packetId: id('packet 1') })
    expect(forked.map(({ packetId, isForked }) => [packetId, isForked])).toEqual([
      [id('packet 1'), true],
      [id('another packet'), true],
    ])
    // The next page begins behind the one that was asked for.
    expect(new Set(forked.map(({ position }) => position.txid))).toEqual(new Set([id('certificate 1')]))
    expect((await find({ packetNo: 2 })).map(({ isForked }) => isForked)).toEqual([false])
    // The same packet certified again, and the number in another log, are no forks.
    await submission(
      7,
      () => listed().remove(other),
      () => listed().put(certificate(1, { txid: id('again'), supersedes: id('version 1') })),
    )
    await submission(8, () => listed().put({ ...other, coordinator: key('another log') }))
    expect((await find({ packetNo: 1 })).map(({ isForked }) => isForked)).toEqual([false, false, false])
  })

  test('goes by the packet that the manifest names, so that no token hides a number given twice', async () => {
    const service = new CertificatesLookupService(listed())
    const log = party('a log that rewrites')
    const admit = (packetId: string, txid: string) => {
      const assay = { packetId, streamId: 'greenhouse', partition: 0, packetNo: 17 }
      const manifest = {
        type: 'datasetVersionManifest',
        datasetId: 'greenhouse',
        provenance: { createdAt: '2026-01-02T03:04:05Z', producer: { identityKey: log.identityKey }, assay },
        content: { contentHash: id(packetId) },
        lineage: { parents: [] },
        policy: { classification: 'public', license: 'CC0-1.0' },
      }
      const json = canonicalJson(manifest)
      const { versionId } = orThrow(readManifest(json))
      const script = tokenScript('GDC1', log, versionId, {
        ...{ roundId: id('round'), index: 0, template: 'packet', level: 'enhanced' },
        packetId: id('packet of both tokens'),
      })
      return service.outputAdmittedByTopic({
        ...{ mode: 'locking-script', topic: baseTopics.certified, txid, outputIndex: 1 },
        ...{ lockingScript: { toBinary: () => script }, offChainValues: utf8(`${json}\n`) },
      })
    }
    await submission(
      5,
      () => admit(id('packet 1'), id('first')),
      () => admit(id('packet 2'), id('second')),
    )
    expect(await find({ packetId: id('packet of both tokens') })).toEqual([])
    const forked = await find({ packetId: id('packet 1'), order: 'asc' })
    expect(forked.map(({ packetId, isForked }) => [packetId, isForked])).toEqual([
      [id('packet 1'), true],
      [id('packet 2'), true],
    ])
  })

  test('lists it as spent by what revokes or supersedes it, until that is taken back', async () => {
    await submission(5, () => listed().put(certificate(1)))
    await submission(6, () => listed().markSpent(certificate(1), spender ?? ''))
    expect(await find({ spent: true })).toMatchObject([{ spentBy: spender }])
    await submission(7, () => listed().markUnspent(certificate(1), spender ?? ''))
    expect(await find({ spent: false })).toHaveLength(1)
    await submission(8, () => listed().remove(certificate(1)))
    expect(await find()).toEqual([])
  })
})

describe('both indexes', () => {
  test('can be taken back to before their migrations and on again', async () => {
    await walletLookups.down(database.knex)
    await pipelineIndexes.down(database.knex)
    await expect(findJobs()).rejects.toThrow(/gitdata_jobs/)
    await pipelineIndexes.up(database.knex)
    await walletLookups.up(database.knex)
    expect([...(await findJobs()), ...(await find())]).toEqual([])
  })
})
