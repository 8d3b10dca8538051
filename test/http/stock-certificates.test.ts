import { LookupResolver, Transaction } from '@bsv/sdk'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readBeef, writeBeef } from '../../src/contract/beef.ts'
import { baseLookupServices, baseTopics } from '../../src/contract/names.ts'
import { signTransaction } from '../../src/contract/spend.ts'
import { readLine } from '../../src/core/event/line.ts'
import { orThrow } from '../../src/core/fault.ts'
import { openPool } from '../adapters/chain/open-pool.ts'
import { sampleConstants, sampleEvent } from '../support/certified-round.ts'
import { writeLog } from '../support/decided-round.ts'
import { certificateFor, type MadeUpCertificate, submitCertificate } from '../support/made-up-certificates.ts'
import { party, payTo, tokenSpend } from '../support/pipeline.ts'
import { runningNode, type TestNode } from '../support/running-node.ts'

const log = party('log')
const service = baseLookupServices.certificates

describe('the stock resolver of a wallet, asking for certificates', () => {
  let node: TestNode
  let certificate: MadeUpCertificate
  beforeAll(async () => {
    node = await runningNode()
    certificate = await certificateFor(node.url, 0, { events: [[sampleEvent(1)], [sampleEvent(2)]] })
    await submitCertificate(node.url, certificate)
  })
  afterAll(() => node.end())

  const find = async (query: object) => {
    const resolver = new LookupResolver({ networkPreset: 'local', hostOverrides: { [service]: [node.url] } })
    const { outputs } = await resolver.query({ service, query })
    return outputs.map(({ beef, outputIndex, context }) => ({
      txid: Transaction.fromBEEF(beef).id('hex'),
      outputIndex,
      said: JSON.parse(Buffer.from(context ?? []).toString()),
    }))
  }
  /** The second of two packets. */
  const one = () => {
    const [, packet] = certificate.round.packets
    if (packet === undefined) throw new Error('a round has a packet')
    return packet
  }
  const event = () => orThrow(readLine(new TextDecoder().decode(one().bytes).trimEnd(), sampleConstants))

  test('finds them by what their manifests say', async () => {
    const { packetId, header, certified } = one()
    const { versionId, manifest } = certified
    const createdMs = Date.parse(manifest.provenance.createdAt)
    const { contentHash } = manifest.content
    for (const query of [
      { versionId },
      { packetId },
      { contentHash },
      { streamId: header.streamId, createdFromMs: createdMs, createdToMs: createdMs + 1 },
      { sourceId: 'farm-001', createdFromMs: createdMs },
      { publisherKey: log.identityKey, createdFromMs: createdMs },
    ])
      expect(await find(query)).toMatchObject([
        {
          ...{ txid: certificate.txid, outputIndex: 3 },
          said: { versionId, contentHash, packetId, publisherKey: log.identityKey, createdMs, spent: false },
        },
      ])
    expect(await find({ sourceId: 'farm-001', streamId: header.streamId })).toHaveLength(2)
    for (const query of [{ sourceId: 'farm-002' }, { publisherKey: party('other').identityKey }])
      expect(await find(query)).toEqual([])
  })

  test('finds by an event what certifies it, where the event is in the log of the host', async () => {
    const { eventId } = event()
    expect(await find({ eventId })).toEqual([])
    const pool = openPool(node.databaseUrl)
    try {
      // As ingest, sealing and projecting leave it.
      const partition = await writeLog(pool, certificate.round)
      await pool.query(
        `insert into projected_events (event_id, partition_id, era, seq, event_ms, ingested_at, flags, line_at, line_bytes,
            source_id, event_type)
          values (decode($1, 'hex'), $2, 0, 1, 0, now(), 0, 0, 1, 'farm-001', 'sensor_reading')`,
        [eventId, partition],
      )
      expect(await find({ eventId })).toMatchObject([{ txid: certificate.txid, outputIndex: 3 }])
      expect(await find({ eventId, streamId: 'another' })).toEqual([])
      for (const hidden of ['published = false', `tenant_id = 'acme', published = true`]) {
        await pool.query(`update streams set ${hidden}`)
        expect(await find({ eventId })).toEqual([])
      }
    } finally {
      await pool.end()
    }
  })

  test('finds one that is spent with what has spent it, and all that it descends from', async () => {
    const { versionId } = one().certified
    const { transactions } = orThrow(readBeef(certificate.beef))
    const issued = transactions.at(-1)
    if (issued === undefined) throw new Error('the certificate is not there')
    const spending = signTransaction(
      [tokenSpend(issued, 3, 'GDC1', versionId, log), { ...changeOf(issued), privateKey: log.privateKey }],
      [payTo(log, 100)],
    )
    const response = await fetch(`${node.url}/submit`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/octet-stream', 'X-Topics': `["${baseTopics.certified}"]` },
      body: Uint8Array.from(writeBeef([...transactions, spending])),
    })
    expect(response.status).toBe(200)
    expect(await find({ versionId })).toMatchObject([
      { txid: certificate.txid, said: { spent: true, spentBy: spending.txid } },
    ])
    expect(await find({ versionId, spent: false })).toEqual([])
    const history = await new LookupResolver({
      networkPreset: 'local',
      hostOverrides: { [service]: [node.url] },
    }).query({ service, query: { versionId } })
    const found = Transaction.fromBEEF(history.outputs[0]?.beef ?? [])
    // The three jobs and what agents have answered, down to what paid for them.
    expect(found.inputs.every(({ sourceTransaction }) => sourceTransaction !== undefined)).toBe(true)
  })
})

function changeOf(certificate: {
  readonly txid: string
  readonly outputs: readonly { satoshis: number; script: Uint8Array }[]
}) {
  const vout = certificate.outputs.length - 1
  const spent = certificate.outputs[vout]
  if (spent === undefined) throw new Error('a certificate has change')
  return { txid: certificate.txid, vout, spent }
}
