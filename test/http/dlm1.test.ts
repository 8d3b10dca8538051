import { Registry } from 'prom-client'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { sha256Hex } from '#sha256'
import type { BeefTransaction } from '../../src/contract/beef.ts'
import { baseTopics } from '../../src/contract/names.ts'
import { signTransaction } from '../../src/contract/spend.ts'
import { proofOf } from '../../src/contract/spv-envelope.ts'
import { fromHex, toHex } from '../../src/core/bytes.ts'
import { canonicalJson } from '../../src/core/canonical-json.ts'
import { anchorScript } from '../../src/core/certificate/anchor.ts'
import { orThrow } from '../../src/core/fault.ts'
import { nodeApp, standingHeaders } from '../../src/http/app.ts'
import { overlayRoutes } from '../../src/http/overlay-routes.ts'
import { type HttpServer, httpLimits, listen } from '../../src/http/server.ts'
import { openNodeDeclarations } from '../../src/node/node-declarations.ts'
import { type OverlayBed, overlayBed } from '../support/overlay-bed.ts'
import { output, party, payTo } from '../support/pipeline.ts'
import { until } from '../support/until.ts'
import { batchToken } from '../topic-managers/batch-transactions.ts'
import { routesOf, undocumented } from './openapi-checks.ts'
import { readApiDocument } from './openapi-document.ts'

const owner = party('somebody who declares')
const manifest = {
  datasetId: 'sensors',
  provenance: { createdAt: '2026-01-02T03:04:05Z', issuer: owner.identityKey },
  content: { contentHash: 'ab'.repeat(32) },
  parents: ['cd'.repeat(32)],
}

const bounds = {
  keptMs: 60_000,
  all: { count: 100, bytes: 1_000_000 },
  perNetwork: { count: 3, bytes: 100_000 },
}

describe('a version that somebody else declares', () => {
  let bed: OverlayBed
  let http: HttpServer
  const failures: unknown[] = []
  let laterMs = 0
  beforeAll(async () => {
    bed = await overlayBed()
    await bed.overlay.start()
    const { database, chain, overlay } = bed
    const onFailure = (error: unknown) => void failures.push(error)
    const now = () => Date.now() + laterMs
    const declarations = openNodeDeclarations({ database, chain, overlay, bounds, now, onFailure })
    const routes = [declarations, overlayRoutes({ overlay, onFailure })]
    http = await listen(
      nodeApp({ routes, metrics: new Registry(), network: 'local', onFailure }),
      0,
      '127.0.0.1',
      { ...httpLimits, headers: standingHeaders('local') },
    )
  })
  afterAll(async () => {
    await http.stop()
    await bed.close()
    expect(failures).toEqual([])
  })

  /** Each is held against docs/openapi.yaml. */
  const call = async (path: string, body?: unknown, type = 'application/json') => {
    const answer = await fetch(`http://127.0.0.1:${http.port}${path}`, {
      ...(body !== undefined && {
        method: 'POST',
        body: JSON.stringify(body),
        headers: { 'content-type': type },
      }),
    })
    const text = await answer.text()
    const told: Record<string, unknown> = Object(JSON.parse(text))
    againstDocument(path, { status: answer.status, headers: answer.headers, text })
    return { status: answer.status, told }
  }
  const built = async () => {
    const { told } = await call('/submit/dlm1', { manifest })
    return { versionId: String(told['versionId']), script: orThrow(hex(told['opReturnScriptHex'])), told }
  }
  /** A transaction with the anchor first, and a batch behind it that a topic would take. */
  const declaring = async () => {
    const [spend] = await bed.fund(owner, 1)
    if (spend === undefined) throw new Error('nothing to spend')
    const { script, versionId } = await built()
    const transaction = signTransaction(
      [spend],
      [output(script, 0), output(batchToken().script), payTo(owner, 100)],
    )
    return { transaction, versionId, rawTx: toHex(transaction.raw) }
  }
  const mined = async (transaction: BeefTransaction) => {
    const [accepted] = [await bed.chain.broadcast([transaction])]
    expect(accepted.kind).toBe('accepted')
    await bed.mine()
    const proofHere = async () => (await bed.chain.statusOf([transaction.txid])).get(transaction.txid)
    await until(async () => (await proofHere())?.kind === 'mined')
    const status = await proofHere()
    const proof = status?.kind === 'mined' ? proofOf(status.proof, transaction.txid) : undefined
    if (status?.kind !== 'mined' || proof === undefined) throw new Error('it is in no block')
    return { proof, height: status.proof.height }
  }

  test('has its routes in docs/openapi.yaml', () => {
    const { database, chain, overlay } = bed
    const declarations = openNodeDeclarations({
      ...{ database, chain, overlay },
      now: Date.now,
      onFailure: () => undefined,
    })
    const documented = operations.filter(({ id, tag }) => tag === 'declarations' || id === 'submit')
    expect(routesOf(declarations).sort()).toEqual(
      documented.map(({ method, path }) => `${method} ${path}`).sort(),
    )
  })

  test('begins with the output that its wallet puts into a transaction', async () => {
    const { told, versionId, script } = await built()
    expect(told).toMatchObject({
      status: 'ok',
      manifestHash: versionId,
      parents: manifest.parents,
      outputs: [{ scriptHex: toHex(script), satoshis: 0 }],
      opReturnOutputBytes: 8 + 1 + script.length,
    })
    expect(await call('/submit/dlm1', { manifest }, 'text/plain')).toMatchObject({
      status: 415,
      told: { error: 'unsupported-media-type' },
    })
    expect(await call('/submit/dlm1', {})).toMatchObject({ status: 400, told: { error: 'invalid-input' } })
    expect(await call('/submit/dlm1', { manifest: { datasetId: 1 } })).toMatchObject({
      status: 422,
      told: { error: 'schema-validation-failed' },
    })
  })

  test.each([
    ['a name with U+0000', { datasetId: 'ab\0c' }],
    ['a name that no index holds', { datasetId: 'ab'.repeat(6_000) }],
    ['U+0000 anywhere', { description: 'a\0b' }],
    [
      'a time without end',
      { provenance: { ...manifest.provenance, createdAt: `2026-01-02T03:04:05.${'0'.repeat(100)}Z` } },
    ],
  ])('is refused where its manifest has %s, built or received', async (_, change) => {
    const wrong = { ...manifest, ...change }
    expect(await call('/submit/dlm1', { manifest: wrong })).toMatchObject({
      status: 422,
      told: { error: 'schema-validation-failed' },
    })
    // What it hashes to, written by hand.
    const [spend] = await bed.fund(owner, 1)
    if (spend === undefined) throw new Error('nothing to spend')
    const script = anchorScript({ manifestHash: sha256Hex(canonicalJson(wrong)), parents: manifest.parents })
    const { raw } = signTransaction([spend], [output(script, 0), payTo(owner, 100)])
    expect(await call('/submit', { rawTx: toHex(raw), manifest: wrong })).toMatchObject({
      status: 400,
      told: { error: 'invalid-manifest' },
    })
  })

  test('is taken in once, pending, and no topic is said to have answered that has not', async () => {
    const { rawTx, transaction, versionId } = await declaring()
    const topics = [baseTopics.ingest, 'tm_unheard_of']
    for (let again = 0; again < 2; again++)
      expect(await call('/submit', { rawTx, manifest, topics })).toEqual({
        status: 200,
        told: { status: 'success', txid: transaction.txid, versionId, type: 'DLM1', vout: 0, topics: {} },
      })
    expect(await call(`/declarations/${transaction.txid}/envelope`)).toMatchObject({
      status: 404,
      told: { error: 'declaration-pending' },
    })
    const { rows } = await bed.database.pool.query(
      `select standing, encode(parent, 'hex') as parent from dlm_versions join dlm_parents using (version_id)
        where version_id = decode($1, 'hex')`,
      [versionId],
    )
    expect(rows).toEqual([{ standing: 'declared', parent: 'cd'.repeat(32) }])
  })

  test('is proven against our own headers, asked of topics that take it, and given out with its proof', async () => {
    const { rawTx, transaction } = await declaring()
    const { proof, height } = await mined(transaction)
    const send = (block: object, changed = proof) =>
      call('/submit', {
        rawTx,
        manifest,
        topics: [baseTopics.ingest],
        suggestedEnvelope: { proof: changed, block },
      })

    const wrong = {
      ...proof,
      merkleRoot: undefined,
      path: [{ hash: '11'.repeat(32), position: 'left' as const }],
    }
    expect(await send({ blockHeight: height }, wrong)).toMatchObject({
      status: 409,
      told: { details: { reason: 'invalid-merkle-path' } },
    })
    expect(await send({ blockHeight: height + 1000 })).toMatchObject({
      status: 409,
      told: { details: { reason: 'merkle-root-unavailable' } },
    })
    // A header of one's own making, with the root that the path leads to.
    const forged = `${'00'.repeat(36)}${toHex(orThrow(hex(wrong.path[0]?.hash)))}${'00'.repeat(12)}`
    expect(await send({ blockHeader: forged, blockHeight: height })).toMatchObject({ status: 409 })

    expect(await send({ blockHeight: height })).toMatchObject({
      status: 200,
      told: { topics: { [baseTopics.ingest]: [1] } },
    })
    const { told } = await call(`/declarations/${transaction.txid}/envelope`)
    expect(told).toMatchObject({ rawTx, txid: transaction.txid, proof, block: { blockHeight: height } })
    // What is given out is taken back, by whoever has the header too.
    expect(await call('/submit', { rawTx, manifest, suggestedEnvelope: told })).toMatchObject({ status: 200 })
  })

  test('is forgotten after its time, where nothing proves it, and takes so much room from one network until then', async () => {
    const { pool } = bed.database
    const counts = async () => {
      const { rows } = await pool.query<{ declared: number; versions: number }>(
        `select (select count(*) from declarations where expires_ms is not null)::int as declared,
          (select count(*) from dlm_versions)::int as versions`,
      )
      return rows[0]
    }
    laterMs += bounds.keptMs
    const sent = []
    for (let i = 0; i <= bounds.perNetwork.count; i++) {
      const { rawTx } = await declaring()
      sent.push({ rawTx, ...(await call('/submit', { rawTx, manifest })) })
    }
    expect(sent.map(({ status }) => status)).toEqual([...sent.slice(1).map(() => 200), 429])
    expect(sent.at(-1)?.told['error']).toBe('too-many-unproven')
    // What is here already takes no more room.
    expect(await call('/submit', { rawTx: sent[0]?.rawTx, manifest })).toMatchObject({ status: 200 })
    expect(await counts()).toEqual({ declared: bounds.perNetwork.count, versions: 1 })

    laterMs += bounds.keptMs
    const unfit = { rawTx: sent.at(-1)?.rawTx, manifest }
    expect(await call('/submit', unfit)).toMatchObject({ status: 200 })
    expect(await counts()).toEqual({ declared: 1, versions: 1 })
  })

  test('stays, where it is proven in time', async () => {
    const { rawTx, transaction } = await declaring()
    laterMs += bounds.keptMs
    expect(await call('/submit', { rawTx, manifest })).toMatchObject({ status: 200 })
    const { proof, height } = await mined(transaction)
    const proven = { rawTx, manifest, suggestedEnvelope: { proof, block: { blockHeight: height } } }
    expect(await call('/submit', proven)).toMatchObject({ status: 200 })
    laterMs += bounds.keptMs
    const another = await declaring()
    expect(await call('/submit', { rawTx: another.rawTx, manifest })).toMatchObject({ status: 200 })
    expect(await call(`/declarations/${transaction.txid}/envelope`)).toMatchObject({ status: 200 })
  })

  test('is refused with the code that says what is wrong', async () => {
    const { rawTx } = await declaring()
    const other = { ...manifest, datasetId: 'another' }
    const cases: [unknown, number, string][] = [
      [{ rawTx }, 400, 'invalid-body'],
      [{ rawTx: 'zz', manifest }, 400, 'invalid-rawtx'],
      [{ rawTx: '00', manifest }, 400, 'invalid-rawtx'],
      [{ rawTx, manifest: {} }, 400, 'invalid-manifest'],
      [{ rawTx, manifest: other }, 400, 'onchain-mh-mismatch'],
    ]
    for (const [body, status, error] of cases) {
      const answer = await call('/submit', body)
      expect([error, answer.status, answer.told['error']]).toEqual([error, status, error])
      expect(answer.told['hint']).toEqual(expect.any(String))
      // What an overlay client reads of an error, which has sent JSON where BEEF was wanted.
      expect(answer.told).toMatchObject({ status: 'error', message: answer.told['hint'] })
    }
    expect(await call(`/declarations/${'00'.repeat(32)}/envelope`)).toMatchObject({
      told: { error: 'declaration-not-found' },
    })
  })
})

const { operations } = readApiDocument()
const [build, receive, envelope] = ['buildDeclaration', 'submit', 'declarationEnvelope'].map(name =>
  operations.find(({ id }) => id === name),
)

function againstDocument(path: string, answer: { status: number; headers: Headers; text: string }): void {
  const operation = path === '/submit' ? receive : path === '/submit/dlm1' ? build : envelope
  if (operation === undefined) throw new Error(`docs/openapi.yaml does not have ${path}`)
  const headers = Object.fromEntries(answer.headers)
  const found = undocumented(operation, { status: answer.status, headers, body: Buffer.from(answer.text) })
  expect([path, answer.text, found]).toEqual([path, answer.text, []])
}

function hex(text: unknown) {
  const bytes = typeof text === 'string' ? fromHex(text) : undefined
  return bytes === undefined
    ? ({ ok: false, fault: { code: 'message-invalid', detail: 'not hex' } } as const)
    : ({ ok: true, value: bytes } as const)
}
