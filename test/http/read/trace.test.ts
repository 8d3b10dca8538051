import { ProtoWallet } from '@bsv/sdk'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readPackets } from '../../../src/adapters/reading/live/read-packets.ts'
import { readBump } from '../../../src/contract/bump.ts'
import { readLock } from '../../../src/contract/script.ts'
import { readTransaction } from '../../../src/contract/transaction.ts'
import { concat, concatAll, fromHex, knownHex, toHex, utf8 } from '../../../src/core/bytes.ts'
import { canonicalJson, isObject, type Json } from '../../../src/core/canonical-json.ts'
import { anchorScript } from '../../../src/core/certificate/anchor.ts'
import { versionIdOf } from '../../../src/core/certificate/manifest.ts'
import { orThrow } from '../../../src/core/fault.ts'
import { hashLines } from '../../../src/core/log/packet.ts'
import { packetId } from '../../../src/core/log/packet-header.ts'
import { leafHash, merkleRoot } from '../../../src/core/merkle.ts'
import { noLeaf } from '../../../src/core/rounds/pipeline.ts'
import { roundId } from '../../../src/core/rounds/round.ts'
import { sha256Hex } from '../../../src/core/sha256.node.ts'
import { outcomeLeaf } from '../../../src/core/work/stage-output.ts'
import { openSignaturesOf } from '../../../src/node/signatures-of.ts'
import type { EventTrace } from '../../../src/serve/event-trace.ts'
import type { TokenSignature } from '../../../src/serve/token-signature.ts'
import { party } from '../../support/pipeline.ts'
import { OFFERED_MS, PROCESSING_MS, type TracedRound, tracedRound } from '../../support/traced-round.ts'
import { until } from '../../support/until.ts'
import { type DetailApp, detailApp } from './detail-app.ts'

let round: TracedRound
let app: DetailApp
/** Seat 2 of the second stage says something else of the first packet. */
const lie = 'ab'.repeat(32)
beforeAll(async () => {
  round = await tracedRound({
    answer: (stage, seat, truth) => (stage === 'validate' && seat === 2 ? [lie, ...truth.slice(1)] : truth),
  })
  app = await detailApp(round)
}, 60_000)
afterAll(async () => {
  await app.stop()
  await round.end()
  expect(app.failures).toEqual([])
})

// Held to its schema in detail-openapi.test.ts.
const traceOf = async (eventId: string) => (await app.read(`/events/${eventId}/trace`)) as EventTrace
const packet = (member: number) => {
  const found = round.packets[member]
  if (found === undefined) throw new Error(`there is no packet ${member}`)
  return found
}

describe('the trace of an event', () => {
  test('ends where nothing is known yet, and invents nothing behind that', async () => {
    const trace = await traceOf(round.event(0, 0).eventId)
    // Decided, and not certified: what readers are shown follows once the network has a certificate.
    expect(trace).toMatchObject({
      state: 'received',
      packetState: 'received',
      certified: { versionId: null, contentHash: null, certifiedMs: null, manifest: null, line: null },
      anchored: null,
      proven: null,
    })
    expect(await app.read(`/events/${round.event(0, 0).eventId}`)).toMatchObject({
      status: 'received',
      normalized: null,
      evidence: [],
    })
  })

  test('runs from what was sent to the block that proves it', async () => {
    await round.certify()
    const anchored = await traceOf(round.event(0, 0).eventId)
    expect([anchored.state, anchored.proven, anchored.anchored?.certificate?.state]).toEqual([
      'anchored',
      null,
      'anchored',
    ])
    await round.prove()
    const trace = await traceOf(round.event(0, 0).eventId)
    expect(trace.state).toBe('proven')
    expect([trace.normalized, trace.validated, trace.certified].map(stage => stage?.status)).toEqual([
      'agreed',
      'agreed',
      'agreed',
    ])
    expect(trace.proven?.confirmations).toBe(
      (await round.bed.bed.chain.tip()).height - (trace.proven?.blockHeight ?? 0) + 1,
    )
    await round.bed.bed.fund(party('somebody else'), 1, 1000)
    const later = await traceOf(round.event(0, 0).eventId)
    expect(later.proven?.confirmations).toBeGreaterThan(trace.proven?.confirmations ?? 0)
  })

  test('follows its certificate into another block, and out of it', async () => {
    const { chain } = round.bed.bed
    const { eventId } = round.event(0, 0)
    const before = await traceOf(eventId)
    const depth = (await chain.tip()).height - (before.proven?.blockHeight ?? 0) + 1
    expect(await chain.reorganise({ depth })).toMatchObject({ kind: 'reorganised' })
    const after = await until(async () => {
      const trace = await traceOf(eventId)
      // Until the new block is known, nothing is said of the old one but that it was that.
      const isKnown = trace.proven !== null && trace.proven.blockHash !== before.proven?.blockHash
      if (!isKnown) expect(trace.proven?.confirmations ?? null).toBeNull()
      return isKnown && trace
    })
    expect(after.anchored).toEqual(before.anchored)
    expect(after.proven?.confirmations).toBe(
      (await chain.tip()).height - (after.proven?.blockHeight ?? 0) + 1,
    )
  })

  test('has no hash that does not follow from bytes', async () => {
    for (const [member, index] of [
      [0, 0],
      [0, 2],
      [1, 1],
    ] as const) {
      const { eventId, payload } = round.event(member, index)
      const trace = await traceOf(eventId)
      const { raw, sealed, normalized, validated, certified, anchored, proven } = trace
      if (!sealed || !normalized || !validated || !certified || !anchored || !proven)
        throw new Error('a stage is missing')
      const header = packet(member).header

      // What was sent, in its packet: the bytes are those that the store holds under rawHash.
      const bytes = await stored(sealed.rawHash)
      expect(bytes.toString().split('\n')[index]).toBe(raw.line?.text)
      expect(raw.line?.leafHash).toBe(leafOf(raw.line?.text))
      expect(raw.payloadHash).toBe(sha256Hex(canonicalJson(payload)))
      expect(sealed.root).toBe(toHex(merkleRoot(orThrow(hashLines(bytes)))))
      expect(sealed.rawHash).toBe(sha256Hex(bytes))
      expect(sealed.packetId).toBe(packetId(header))

      // What was agreed: each output is the one that its leaf is of, and the line stands in it.
      const content = await stored(certified.contentHash ?? '')
      expect(content.toString().split('\n')[index]).toBe(certified.line?.text)
      expect(certified.line).toEqual(validated.line)
      expect(validated.line?.leafHash).toBe(leafOf(validated.line?.text))
      expect(validated.outputHash).toBe(certified.contentHash)
      for (const stage of [normalized, validated])
        expect(stage.leaf).toBe(outcomeLeaf(sealed.packetId, stage.outputHash ?? '', stage.stateOut))
      expect(certified.contentHash).toBe(sha256Hex(content))
      const manifest = certified.manifest
      if (!isObject(manifest)) throw new Error('there is no manifest')
      expect(certified.versionId).toBe(orThrow(versionIdOf(manifest)))
      expect(certified.leaf).toBe(certified.versionId)

      // What it was asked in.
      expect(certified.roundId).toBe(
        roundId(
          1,
          round.packets.map(each => each.packetId),
        ),
      )
      expect(normalized.job.inputHash).toBe(sha256Hex(round.decided.round.roundDocument))
      const leaves = round.packets.map((each, i) =>
        i === member ? (normalized.leaf ?? '') : outcomeLeaf(each.packetId, each.normalized.outputHash, null),
      )
      expect(validated.job.inputRoot).toBe(
        toHex(merkleRoot(concatAll(leaves.map(leaf => leafHash(knownHex(leaf)))))),
      )

      // What agents signed: each result holds its leaf, and its work is what that is of.
      for (const [stage, at] of [normalized, validated, certified].map(
        stage => [stage, stage.member] as const,
      ))
        for (const seat of stage.seats)
          for (const result of seat.results) {
            const transaction = orThrow(readTransaction(await rawOf(result.txid)))
            expect(transaction.txid).toBe(result.txid)
            expect(transaction.inputs.map(({ txid, vout }) => `${txid}.${vout}`)).toEqual([seat.jobId])
            expect(toHex(transaction.outputs[0]?.script ?? new Uint8Array())).toContain(result.leaf ?? noLeaf)
            expect(await holds(result.signature)).toBe(true)
            expect(result.signature?.signer).toBe(seat.agentId)
            expect(at).toBe(member)
          }
      for (const stage of [normalized, validated, certified]) {
        expect(await holds(stage.job.signature)).toBe(true)
        expect(stage.job.signature?.signer).toBe(trace.log)
      }

      // What stands on the chain.
      const { certificate } = anchored
      if (certificate === null) throw new Error('there is no certificate')
      const transaction = orThrow(readTransaction(await rawOf(certificate.txid)))
      const anchor = transaction.outputs[certificate.vout - 1]?.script
      expect(toHex(anchor ?? new Uint8Array())).toBe(
        toHex(anchorScript({ manifestHash: certified.versionId ?? '', parents: packetParents(manifest) })),
      )
      expect(await holds(certificate.signature)).toBe(true)
      const bump = orThrow(readBump(fromHex(proven.bump ?? '') ?? new Uint8Array()))
      expect([bump.height, bump.leaves.has(certificate.txid)]).toEqual([proven.blockHeight, true])
      expect(await round.bed.bed.chain.rootAt(bump.height)).toBe(bump.root)
    }
  })

  test('says what the policy did to each field, and doing that gives what was agreed', async () => {
    const { normalized } = await traceOf(round.event(0, 1).eventId)
    const { payload } = round.event(0, 1)
    expect(normalized?.transformations).toEqual([
      { rule: 'map', field: '/celsius', from: '/value', after: isObject(payload) ? payload['value'] : null },
      { rule: 'map', field: '/sensor', from: '/sensorId', after: 't-1' },
    ])
    const done = Object.fromEntries(
      (normalized?.transformations ?? []).map(({ field, after }) => [field.slice(1), after]),
    )
    expect(JSON.parse(normalized?.line?.text ?? '').payload).toEqual(done)
  })

  test('says which rule set an event aside that never became a normalised one', async () => {
    const trace = await traceOf(round.event(0, 3).eventId)
    expect(trace).toMatchObject({
      state: 'quarantined',
      normalized: { verdict: 'quarantined', issues: ['required-missing:celsius'] },
      validated: { verdict: 'quarantined', issues: ['required-missing:celsius'] },
    })
    expect(trace.normalized?.transformations?.at(-1)).toEqual({
      rule: 'required',
      field: '/celsius',
      before: null,
      after: null,
      issue: { text: 'required-missing:celsius', severity: 'quarantine', flag: 1 },
    })
  })

  test('shows an event that its rules set aside as what it is, and its packet as certified', async () => {
    const { eventId } = round.event(0, 2)
    const trace = await traceOf(eventId)
    expect(trace).toMatchObject({
      state: 'quarantined',
      packetState: 'proven',
      normalized: { verdict: 'passed', issues: [] },
      validated: { verdict: 'quarantined', issues: ['bounds-max:celsius:99>60'], rules: ['bounds'] },
    })
    expect(JSON.parse(trace.certified?.line?.text ?? '')).not.toHaveProperty('payload')
    expect(await app.read(`/events/${eventId}`)).toMatchObject({
      status: 'failed',
      state: 'quarantined',
      normalized: null,
      raw: { value: 99 },
      evidence: [
        { step: 'normalize', verdict: 'quarantined' },
        { step: 'certify', provider: 'quorum' },
      ],
    })
    expect(await app.read(`/overlay/events/${eventId}/certification`)).toMatchObject({
      certification: { status: 'invalid', state: 'quarantined' },
    })
  })

  test('keeps the dissent: who said what instead', async () => {
    const { validated } = await traceOf(round.event(0, 0).eventId)
    const [, , third] = validated?.seats ?? []
    expect(validated?.quorum).toMatchObject({ wanted: 2, of: 3, agreeing: 2, independence: 'claimed' })
    expect(validated?.dissent).toEqual([
      {
        agentId: third?.agentId,
        operator: third?.operator,
        resultTxid: third?.results[0]?.txid,
        status: 'completed',
        leaf: lie,
        outputHash: expect.stringMatching(/^[0-9a-f]{64}$/),
      },
    ])
    // It lied about the first packet alone.
    expect((await traceOf(round.event(1, 0).eventId)).validated?.dissent).toEqual([])
  })
})

describe('a certificate whose token is spent', () => {
  test('counts for nothing from then on, also before its watcher has heard of it', async () => {
    const { eventId } = round.event(0, 0)
    const { anchored } = await traceOf(eventId)
    const txid = anchored?.certificate?.txid ?? ''
    const spendBy = (spender: string | null) =>
      round.query(
        'update gitdata_certificates set spent_by = $2 where txid = $1 returning vout',
        Buffer.from(txid, 'hex'),
        spender && Buffer.from(spender, 'hex'),
      )
    expect(await spendBy('cd'.repeat(32))).not.toEqual([])
    try {
      expect(await traceOf(eventId)).toMatchObject({
        anchored: { certificate: null, others: [{ txid, state: 'revoked', revokedBy: 'cd'.repeat(32) }] },
        proven: null,
      })
      expect(await app.read(`/overlay/events/${eventId}/certification`)).toMatchObject({
        overlayDistribution: null,
      })
    } finally {
      await spendBy(null)
    }
    expect((await traceOf(eventId)).anchored).toEqual(anchored)
  })
})

describe('an event and a packet', () => {
  test('are shown without their policy, which only a trace and a certification need', async () => {
    const { pool } = round.bed.bed.database
    await pool.query('alter table policy_sets disable trigger user')
    const { rows } = await pool.query<{ policy: string }>('select policy from policy_sets')
    await pool.query("update policy_sets set policy = 'unreadable'")
    try {
      expect(await app.read(`/events/${round.event(0, 0).eventId}`)).toMatchObject({ state: 'proven' })
      expect(await app.read(`/packets/${packet(0).packetId}`)).toMatchObject({ state: 'proven' })
    } finally {
      await pool.query('update policy_sets set policy = $1', [rows[0]?.policy])
    }
    expect(rows).toHaveLength(1)
  })
})

describe('the certification of an event', () => {
  test('has the shape that overlay clients know, with what was measured', async () => {
    const { eventId } = round.event(0, 0)
    // One other host has answered that it has it.
    await round.query(
      `insert into certificate_hosts (txid, host, heard_ms)
        select distinct txid, 'https://host.example', 0 from certificates where state = 'proven'`,
    )
    const { certification, overlayDistribution } = (await app.read(
      `/overlay/events/${eventId}/certification`,
    )) as Record<string, Record<string, Json>>
    const { normalized, validated, certified } = packet(0)
    expect(certification).toMatchObject({
      status: 'certified',
      level: 'enhanced',
      contentHash: `sha256:${validated.outputHash}`,
      versionId: certified.versionId,
    })
    const issuedAt = new Date(OFFERED_MS + PROCESSING_MS).toISOString()
    const certificates = list(certification?.['certificates'])
    expect(certificates).toHaveLength(3)
    for (const each of certificates)
      expect(each).toMatchObject({
        agentIdentity: each['agentId'],
        certificationType: 'integrity',
        issuedAt,
        overlayEvidence: { consensusNodes: 3, agreementRatio: 1 },
        keyID: round.decided.roundId,
        protocolID: [2, 'gitdata event result'],
        vout: 0,
      })
    const evidence = list(certification?.['processingEvidence'])
    expect(evidence.map(({ step, processingTime }) => [step, processingTime])).toEqual([
      ...Array.from({ length: 3 }, () => ['normalization', PROCESSING_MS]),
      ...Array.from({ length: 3 }, () => ['validation', PROCESSING_MS]),
    ])
    expect(evidence[0]).toMatchObject({
      inputHash: `sha256:${packet(0).header.rawHash}`,
      outputHash: `sha256:${normalized.outputHash}`,
    })
    expect(evidence[3]).toMatchObject({
      inputHash: `sha256:${normalized.outputHash}`,
      outputHash: `sha256:${validated.outputHash}`,
      validationRules: ['bounds'],
      validationResult: 'passed',
    })
    // Who dissented has not said that it passed.
    expect(evidence[5]).toMatchObject({ agrees: false, validationResult: null })
    const [certificate] = await round.query(
      `select anchored_ms - written_ms as latency from certificates where state = 'proven' limit 1`,
    )
    expect(overlayDistribution).toEqual({
      topics: ['gitdata.events.certified', 'gitdata.events.certify'],
      publishedNodes: 2,
      confirmationCount: (await traceOf(eventId)).proven?.confirmations,
      networkLatency: Number(certificate?.['latency']),
    })
  })

  test('has the signature that those are told who follow', async () => {
    const { eventId } = round.event(0, 0)
    const { certification } = (await app.read(`/overlay/events/${eventId}/certification`)) as Record<
      string,
      Record<string, Json>
    >
    const { pool } = round.bed.bed.database
    const [row] = await round.query(
      `select partition_id as id from packets where encode(packet_id, 'hex') = $1 and packet_no = 0`,
      packetId(packet(0).header),
    )
    const track = { partitionId: Number(row?.['id']), stage: 'certified' } as const
    const [read] = await readPackets([{ track, from: { at: 0, line: 0 }, withEvents: false }], {
      ...{ pool, signaturesOf: openSignaturesOf(pool), nowMs: Date.now() },
    })
    const told = read?.steps.map(step => step.kind === 'reached' && step.packet.facts.certifier)
    const certificates = list(certification?.['certificates']).map(({ agentId, signature }) => ({
      ...{ agentId, signature },
    }))
    expect(certificates).toContainEqual(told?.[0])
  })

  test('is signed so that a stock wallet verifies it with nothing but what is said there', async () => {
    const { eventId } = round.event(0, 0)
    const { certification } = (await app.read(`/overlay/events/${eventId}/certification`)) as Record<
      string,
      Record<string, Json>
    >
    for (const each of list(certification?.['certificates'])) {
      const { txid, vout, signature, keyID, protocolID, agentIdentity } = each
      expect(
        await holds({
          ...{ txid, vout, signature, keyID, protocolID, signer: agentIdentity },
        } as unknown as TokenSignature),
      ).toBe(true)
      expect(
        await holds({
          ...{ txid, vout, signature, keyID: 'cd'.repeat(32), protocolID, signer: agentIdentity },
        } as unknown as TokenSignature),
      ).toBe(false)
    }
  })
})

describe('an event', () => {
  test('is shown with what agents agreed on, under both of its addresses', async () => {
    const { eventId } = round.event(0, 4)
    const [one, other] = [await app.read(`/ingest/events/${eventId}`), await app.read(`/events/${eventId}`)]
    expect(one).toEqual(other)
    expect(one).toMatchObject({
      status: 'certified',
      state: 'proven',
      normalized: { celsius: 20.4, sensor: 't-1' },
      contentHash: `sha256:${packet(0).validated.outputHash}`,
      versionId: packet(0).certified.versionId,
      evidence: [
        { step: 'normalize', verdict: 'passed', issues: [] },
        { step: 'certify', provider: 'quorum', agreeing: 3, wanted: 2, of: 3 },
      ],
    })
  })

  test('is shown without what is not here any more, rather than not at all', async () => {
    const { eventId } = round.event(1, 0)
    const whole = await traceOf(eventId)
    const { folder } = round.bed.content
    const gone = [whole.certified?.contentHash ?? '', ...(await works())]
    for (const sha256 of gone) await folder.remove(sha256)
    const trace = await traceOf(eventId)
    expect([trace.normalized?.line, trace.normalized?.transformations, trace.certified?.line]).toEqual([
      null,
      null,
      null,
    ])
    expect({ ...trace.validated, line: 0, verdict: 0, issues: 0 }).toEqual({
      ...whole.validated,
      ...{ line: 0, verdict: 0, issues: 0 },
    })
    expect(await app.read(`/events/${eventId}`)).toMatchObject({ state: 'proven', normalized: null })
  })
})

async function stored(sha256: string): Promise<Buffer> {
  const opened = await round.bed.content.open(sha256, 'anybody')
  if (opened.kind !== 'open') throw new Error(`${sha256} is not here`)
  try {
    return await opened.object.file.readFile()
  } finally {
    await opened.object.file.close()
  }
}

async function rawOf(txid: string): Promise<Uint8Array> {
  const rows = await round.query(
    `select raw from transactions where txid = decode($1, 'hex') union select raw from fuel_transactions where txid = decode($1, 'hex')`,
    txid,
  )
  return fromHex(String(rows[0]?.['raw'])) ?? new Uint8Array()
}

const anybody = new ProtoWallet('anyone')

async function holds(signed: TokenSignature | null): Promise<boolean> {
  if (signed === null) return false
  const { txid, vout, signer, protocolID, keyID, signature } = signed
  const lock = readLock(orThrow(readTransaction(await rawOf(txid))).outputs[vout]?.script ?? new Uint8Array())
  if (lock?.kind !== 'token') return false
  return anybody
    .verifySignature({
      data: [...concat(...lock.fields.slice(0, 4))],
      signature: [...(fromHex(signature) ?? [])],
      protocolID: [2, protocolID[1]],
      keyID,
      counterparty: signer,
    })
    .then(
      ({ valid }) => valid,
      () => false,
    )
}

async function works(): Promise<string[]> {
  const rows = await round.query('select distinct work_object from round_results')
  return rows.map(row => String(row['work_object']))
}

function packetParents(manifest: Json): readonly string[] {
  const lineage = isObject(manifest) ? manifest['lineage'] : undefined
  const parents = lineage !== undefined && isObject(lineage) ? lineage['parents'] : undefined
  return Array.isArray(parents) ? parents.map(String) : []
}

function leafOf(text = ''): string {
  return toHex(leafHash(utf8(text)))
}

function list(value: Json | undefined): Record<string, Json>[] {
  return Array.isArray(value) ? value.flatMap(each => (isObject(each) ? [each] : [])) : []
}
