import { afterEach, describe, expect, test } from 'vitest'
import { postgresCertificatesIndex } from '../../src/adapters/indexes/certificates-index.ts'
import { readHistories } from '../../src/adapters/overlay/read-histories.ts'
import { openLineageStore } from '../../src/adapters/reading/lineage-store.ts'
import { openManifestMemory } from '../../src/adapters/reading/manifest-memory.ts'
import { type BeefTransaction, readBeef, writeBeef } from '../../src/contract/beef.ts'
import { baseTopics } from '../../src/contract/names.ts'
import { signTransaction } from '../../src/contract/spend.ts'
import { againstEnvelope, spvEnvelope } from '../../src/contract/spv-envelope.ts'
import type { Output } from '../../src/contract/transaction.ts'
import { readTransaction } from '../../src/contract/transaction.ts'
import { fromHex, toHex, utf8 } from '../../src/core/bytes.ts'
import { canonicalJson } from '../../src/core/canonical-json.ts'
import { readAnchor } from '../../src/core/certificate/anchor.ts'
import { readManifest } from '../../src/core/certificate/dlm-version.ts'
import { orThrow } from '../../src/core/fault.ts'
import { anybody } from '../../src/core/registry/may-read.ts'
import { sha256Hex } from '../../src/core/sha256.node.ts'
import { type CertificatesBed, certificatesBed } from '../adapters/certificates/certificates-bed.ts'
import { recordWrites } from '../lookup-services/record-writes.ts'
import { versionOf } from '../serve/lineage/made-up-lineage.ts'
import { type CertifiedRound, certifiedRound } from '../support/certified-round.ts'
import type { DecidedRound } from '../support/decided-round.ts'
import type { OverlayBed } from '../support/overlay-bed.ts'
import { party, payTo, tokenSpend } from '../support/pipeline.ts'
import { until } from '../support/until.ts'
import { type LineageDoor, lineageDoor, lineageOperations } from './lineage-bed.ts'

const opened: { bed: CertificatesBed; door: LineageDoor }[] = []
afterEach(async () => {
  for (const { bed, door } of opened.splice(0)) {
    await door.close()
    await bed.close()
    expect(door.failures).toEqual([])
  }
})

type Scene = {
  readonly bed: CertificatesBed
  readonly door: LineageDoor
  readonly decided: DecidedRound
  /** Of the first packet, and of the second, which descends from it. */
  readonly first: string
  readonly second: string
}

/** Two packets of one partition, certified, and in no block yet. */
async function certifiedPair(): Promise<Scene> {
  const bed = await certificatesBed()
  const door = await lineageDoor(bed.bed)
  opened.push({ bed, door })
  await bed.fill()
  await bed.bed.overlay.start()
  const decided = await bed.decide()
  const [first = '', second = ''] = decided.round.packets.map(({ certified }) => certified.versionId)
  bed.start()
  await until(async () => (await states(bed)).join() === 'anchored')
  return { bed, door, decided, first, second }
}

const states = async ({ rows }: CertificatesBed) =>
  (await rows('select distinct state from certificates')).map(({ state }) => state)

async function mineIt({ bed }: Scene): Promise<void> {
  await until(async () => {
    await bed.bed.chain.mine()
    return (await states(bed)).join() === 'proven'
  })
}

describe('a certified version', () => {
  test('is not ready before a block has it, and its bundle says what is missing', async () => {
    const scene = await certifiedPair()
    const { door, second } = scene
    expect((await door.ready(`?versionId=${second}`)).told).toMatchObject({
      ready: false,
      reason: `missing-envelope:${second}`,
      assay: { versions: 2, confirmationsMin: 1, because: second },
    })
    expect(await door.bundle(`?versionId=${second}`)).toMatchObject({
      status: 409,
      told: { error: 'incomplete-lineage', hint: `missing-envelope:${second}` },
    })
  })

  test('is ready with its block, one confirmation deeper with each further one, and never cached', async () => {
    const scene = await certifiedPair()
    const { door, bed, second } = scene
    await mineIt(scene)
    const before = await door.ready(`?versionId=${second}`)
    expect(before).toMatchObject({
      status: 200,
      cacheControl: 'no-store',
      told: { ready: true, reason: null },
    })
    await bed.bed.fund(party('somebody'), 1)
    const after = await door.ready(`?versionId=${second}`)
    expect(Number(after.told['confirmations'])).toBe(Number(before.told['confirmations']) + 1)
  })

  test('is bundled with all it descends from, each proof leading from its transaction to its block', async () => {
    const scene = await certifiedPair()
    const { door, first, second } = scene
    await mineIt(scene)
    const answer = await door.bundle(`?versionId=${second}`)
    expect([answer.status, answer.cache]).toEqual([200, 'miss'])
    const { graph, manifests, proofs, ...rest } = bundleIn(answer.told)
    expect(rest).toMatchObject({ bundleType: 'datasetLineageBundle', target: second })
    expect(graph.nodes.map(({ versionId }) => versionId)).toEqual([second, first])
    expect(graph.edges).toEqual([{ child: second, parent: first }])
    for (const { manifestHash, manifest } of manifests)
      expect(orThrow(readManifest(JSON.stringify(manifest))).versionId).toBe(manifestHash)
    for (const [i, { versionId, envelope }] of proofs.entries()) {
      const proof = spvEnvelope.parse(envelope)
      const transaction = orThrow(readTransaction(fromHex(proof.rawTx ?? '') ?? new Uint8Array()))
      expect(
        againstEnvelope(proof, { txid: transaction.txid, rawHex: toHex(transaction.raw) }),
      ).toBeUndefined()
      const [txid, vout] = graph.nodes[i]?.txo.split(':') ?? []
      expect(txid).toBe(transaction.txid)
      const script = transaction.outputs[Number(vout)]?.script ?? new Uint8Array()
      expect(orThrow(readAnchor(script)).manifestHash).toBe(versionId)
    }
    expect((await door.bundle(`?versionId=${second}`)).cache).toBe('hit')
  })
})

describe('a chain that is reorganised', () => {
  test('takes readiness with it, though nobody has looked at the stored proofs yet, and gives it back', async () => {
    const scene = await certifiedPair()
    const { door, bed, first, second } = scene
    await mineIt(scene)
    await bed.fuel.stop()
    await bed.bed.overlay.stop()
    const somebody = party('somebody')
    const [coin] = await bed.bed.fund(somebody, 1)
    if (coin === undefined) throw new Error('nothing to spend')
    const [{ block_height: height } = {}] = await bed.rows('select block_height from certificates')
    const tip = await bed.bed.chain.tip()
    const other = signTransaction([coin], [payTo(somebody, 100)])
    // What pays for the other one has to stay.
    const depth = tip.height - Number(height) + 1
    expect(await bed.bed.chain.reorganise({ depth, replaceWith: [other] })).toMatchObject({
      kind: 'reorganised',
    })
    const { told } = await door.ready(`?versionId=${second}`)
    expect(told).toMatchObject({ ready: false, assay: { reorganised: [second, first] } })
    expect(['unknown-block-hash', 'merkle-root-unavailable']).toContain(told['reason'])
    expect((await door.bundle(`?versionId=${second}`)).told).toMatchObject({
      error: 'invalid-envelope',
      versionId: second,
      reason: told['reason'],
    })
    await bed.open().catchUp()
    expect(
      await until(async () => {
        const verdict = await door.ready(`?versionId=${second}`)
        return verdict.told['ready'] === true && verdict.told
      }),
    ).toMatchObject({ reason: null, assay: { reorganised: [] } })
    expect(await door.bundle(`?versionId=${second}`)).toMatchObject({
      status: 200,
      told: { target: second },
    })
  })
})

describe('a certificate whose token is spent', () => {
  test('proves nothing any more, until another one stands for the same version', async () => {
    const scene = await certifiedPair()
    const { door, bed, decided, first, second } = scene
    await mineIt(scene)
    const revoked = await spendToken(scene, 3)
    expect((await door.ready(`?versionId=${second}`)).told).toMatchObject({
      ready: false,
      reason: `missing-envelope:${second}`,
      assay: { because: second, revoked: [{ versionId: second, ...revoked }] },
    })
    expect((await door.bundle(`?versionId=${second}`)).told).toMatchObject({
      error: 'incomplete-lineage',
      hint: `missing-envelope:${second}`,
    })
    // The first packet's token is not, and it does not descend from the second.
    expect((await door.ready(`?versionId=${first}`)).told).toMatchObject({
      ready: true,
      assay: { revoked: [] },
    })

    const { source, fuelFrom } = await newFuel(bed)
    const again = certifiedRound({ fuelFrom })
    expect(again.packets.map(({ certified }) => certified.versionId)).toEqual([first, second])
    await admitRound(bed, source, again)
    const verdict = await until(async () => {
      await bed.bed.chain.mine()
      const { told } = await door.ready(`?versionId=${second}`)
      return told['ready'] === true && told
    })
    expect(verdict).toMatchObject({ assay: { revoked: [{ versionId: second, ...revoked }] } })
    const { assay } = bundleIn((await door.bundle(`?versionId=${second}`)).told)
    expect(assay['versions']).toMatchObject([{ versionId: second, revoked: [revoked] }, { revoked: [] }])
    expect(decided.round.packets).toHaveLength(2)
  })
})

describe('the certificate of a stranger', () => {
  test('does not bring back what its own coordinator has revoked', async () => {
    const scene = await certifiedPair()
    const { door, bed, second } = scene
    await mineIt(scene)
    const revoked = await spendToken(scene, 3)
    await listStrange(bed, second)
    expect((await door.ready(`?versionId=${second}`)).told).toMatchObject({
      ready: false,
      reason: `missing-envelope:${second}`,
      assay: { revoked: [{ versionId: second, ...revoked, coordinator: party('log').identityKey }] },
    })
    expect((await door.bundle(`?versionId=${second}`)).told).toMatchObject({
      hint: `missing-envelope:${second}`,
    })
  })

  test('has no say in what takes the place of ours', async () => {
    const scene = await certifiedPair()
    await mineIt(scene)
    const { door, bed, first } = scene
    await listStrange(bed, first)
    await listStrange(bed, sha256Hex('false'), { supersedes: first })
    expect((await door.ready(`?versionId=${first}`)).told).toMatchObject({
      ready: true,
      assay: { supersededBy: [], revoked: [] },
    })
  })

  test('takes nothing from what is declared, spent or not, and is named', async () => {
    const { bed, door } = await emptyDoor()
    const target = await declareChain(bed, 1)
    const ready = async () => (await door.ready(`?versionId=${target}`)).told
    await listStrange(bed, target, { manifest: { parents: [] } })
    expect(await ready()).toMatchObject({ ready: true, confirmations: 1 })
    await bed.rows(`update gitdata_certificates set spent_by = sha256('spent')`)
    expect(await ready()).toMatchObject({
      ready: true,
      assay: { revoked: [{ versionId: target, coordinator: stranger }] },
    })
  })

  test('makes nothing certified of what is declared', async () => {
    const { bed } = await emptyDoor()
    const { versionId, manifest } = versionOf('declared')
    await bed.rows(
      `insert into dlm_versions (version_id, standing, manifest, dataset_id, content_hash, created_at, known_ms)
        values (decode($1, 'hex'), 'declared', $2, 'x', sha256('x'), '', 0)`,
      versionId,
      canonicalJson(manifest),
    )
    await listStrange(bed, versionId, { manifest: { parents: [] } })
    const store = openLineageStore(bed.bed.database.pool, openManifestMemory())
    const known = await store.versionsFor(anybody).read([versionId])
    expect(known.get(versionId)).toMatchObject({ standing: 'declared' })
  })

  test('is gone on from to every parent that its manifest names, however many', async () => {
    const { bed, door } = await emptyDoor()
    const parents = Array.from({ length: 1100 }, (_, n) => sha256Hex(`parent ${n}`))
    const versionId = sha256Hex('strange')
    await listStrange(bed, versionId, { manifest: { parents } })
    expect((await door.ready(`?versionId=${versionId}`)).told).toMatchObject({
      ready: false,
      assay: { versions: 1101 },
    })
  })

  test('is not known of while nobody knows what it descends from', async () => {
    const { bed, door } = await emptyDoor()
    const versionId = sha256Hex('strange')
    await listStrange(bed, versionId)
    expect((await door.ready(`?versionId=${versionId}`)).told).toMatchObject({ reason: 'not-found' })
  })
})

describe('a version that another one takes the place of', () => {
  test('stays ready, and says which one that is; nobody but its coordinator can say so', async () => {
    const scene = await certifiedPair()
    const { door, bed, first } = scene
    await mineIt(scene)
    const superseding = (name: string, coordinator: string) =>
      postgresCertificatesIndex(bed.bed.database.pool).put({
        ...{ txid: sha256Hex(name), vout: 1, coordinator, roundId: sha256Hex('round'), index: 0 },
        ...{
          template: 'packet',
          level: 'enhanced',
          packetId: sha256Hex('packet'),
          versionId: sha256Hex(name),
        },
        ...{ supersedes: first, manifest: null },
      })
    await recordWrites(bed.bed.database.pool, Date.now(), () =>
      superseding('later', party('log').identityKey),
    )
    await recordWrites(bed.bed.database.pool, Date.now(), () =>
      superseding('false', party('liar').identityKey),
    )
    const by = [sha256Hex('later')]
    expect((await door.ready(`?versionId=${first}`)).told).toMatchObject({
      ready: true,
      assay: { supersededBy: by },
    })
    const { assay } = bundleIn((await door.bundle(`?versionId=${first}`)).told)
    expect(assay['versions']).toMatchObject([{ versionId: first, supersededBy: by }])
  })
})

describe('what one may not read', () => {
  test('is not there: the same answers to the byte, for a version and for what descends from it', async () => {
    const scene = await certifiedPair()
    const { door, bed, second } = scene
    await mineIt(scene)
    const unknown = 'ab'.repeat(32)
    const answers = async (versionId: string, key?: string) =>
      Promise.all(
        [door.ready, door.bundle].map(async ask => {
          const { status, text } = await ask(`?versionId=${versionId}`, key)
          return [status, text.replaceAll(versionId, 'it')]
        }),
      )
    const reader = party('reader').identityKey
    for (const change of [
      'published = false',
      `tenant_id = 'acme'`,
      `audience = 'restricted', blind_key = sha256('key')`,
    ]) {
      await bed.bed.database.pool.query(
        `update streams set published = true, tenant_id = null, audience = 'public', blind_key = null`,
      )
      await bed.bed.database.pool.query(`update streams set ${change}, readers = $1`, [
        change.startsWith('published') ? [] : [reader],
      ])
      expect(await answers(second)).toEqual(await answers(unknown))
      expect(await answers(second, party('other').identityKey)).toEqual(
        await answers(unknown, party('other').identityKey),
      )
      if (!change.startsWith('published'))
        expect(await door.ready(`?versionId=${second}`, reader)).toMatchObject({
          cacheControl: 'private, no-store',
          told: { ready: true },
        })
    }
  })
})

describe('the lineage of what one may not read', () => {
  test('is as long as that of what nobody has heard of, to whoever declares a child of it', async () => {
    const scene = await certifiedPair()
    const { door, bed, second } = scene
    await mineIt(scene)
    const unknown = 'ab'.repeat(32)
    for (const parent of [second, unknown]) await declareChild(bed, parent)
    await bed.rows(`update streams set published = false, readers = '{}'`)
    const answerOn = async (parent: string) => {
      const child = sha256Hex(`child of ${parent}`)
      const { text } = await door.ready(`?versionId=${child}`)
      return text.replaceAll(child, 'child').replaceAll(parent, 'parent')
    }
    expect(await answerOn(second)).toEqual(await answerOn(unknown))
    expect(JSON.parse(await answerOn(second))).toMatchObject({ ready: false, assay: { versions: 2 } })
  })
})

describe('a question about lineage', () => {
  test.each([
    ['bundle', ''],
    ['bundle', '?versionId='],
    ['bundle', `?versionId=${'AB'.repeat(32)}`],
    ['bundle', `?versionId=${'ab'.repeat(32)}&versionId=${'ab'.repeat(32)}`],
    ['bundle', `?versionId=${'ab'.repeat(32)}&depth=9`],
    ['bundle', `?versionId=${'ab'.repeat(32)}&depth=-1`],
    ['bundle', `?versionId=${'ab'.repeat(32)}&depth=1e1`],
    ['bundle', `?versionId=${'ab'.repeat(32)}&depth=`],
    ['ready', '?versionId=%00'],
    ['ready', `?versionId=${"';select".padEnd(64, '1')}`],
    ['ready', `?versionId=${'ab'.repeat(32)}&policyId=`],
    ['ready', `?versionId=${'ab'.repeat(32)}&policyId=a%0d%0ab`],
    ['ready', `?versionId=${'ab'.repeat(32)}&policyId=${'a'.repeat(129)}`],
  ] as const)('that cannot be read is refused with the next move: /%s%s', async (path, query) => {
    const { door } = await emptyDoor()
    const { status, told } = await door[path](query)
    expect([status, told['error']]).toEqual([400, 'bad-request'])
  })

  test('goes to one of the routes in docs/openapi.yaml, and there is no other', async () => {
    const { door } = await emptyDoor()
    expect([...door.routes].sort()).toEqual(
      lineageOperations.map(({ method, path }) => `${method} ${path}`).sort(),
    )
  })

  test('under a policy that this node does not have is told so, whatever else holds', async () => {
    const scene = await certifiedPair()
    await mineIt(scene)
    expect((await scene.door.ready(`?versionId=${scene.second}&policyId=strict-1`)).told).toMatchObject({
      ready: false,
      reason: 'policy-unknown',
      policy: { policyId: 'strict-1', known: false },
    })
  })

  test('about what nobody has told this node of is answered as D03 and D04 have it', async () => {
    const { door } = await emptyDoor()
    const versionId = 'cd'.repeat(32)
    expect((await door.ready(`?versionId=${versionId}`)).told).toMatchObject({
      ready: false,
      reason: 'not-found',
    })
    expect(await door.bundle(`?versionId=${versionId}`)).toMatchObject({
      status: 409,
      cache: 'miss',
      told: { error: 'incomplete-lineage', hint: `missing-manifest:${versionId}` },
    })
  })
})

describe('a long lineage', () => {
  test('is looked at to its end, however many pages it has', { timeout: 120_000 }, async () => {
    const scene = await emptyDoor({ READY_VERSIONS_MAX: 1_000_000 })
    const length = Number(process.env['LINEAGE_VERSIONS'] ?? 30_000)
    const target = await declareChain(scene.bed, length)
    const startMs = performance.now()
    const { told } = await scene.door.ready(`?versionId=${target}`)
    const tookMs = Math.round(performance.now() - startMs)
    expect(told).toMatchObject({ ready: true, confirmations: 1, assay: { versions: length } })
    process.stdout.write(`/ready over a lineage of ${length} versions: ${tookMs} ms\n`)
  })

  test('is looked at as far as READY_VERSIONS_MAX goes, and said to be longer', {
    timeout: 120_000,
  }, async () => {
    const { bed, door } = await emptyDoor()
    const target = await declareChain(bed, 10_001)
    const [parent] = await bed.rows(
      `select encode(parent, 'hex') as id from dlm_parents where version_id = decode($1, 'hex')`,
      target,
    )
    expect((await door.ready(`?versionId=${target}`)).told).toMatchObject({
      ...{ ready: false, reason: 'lineage-too-long' },
      assay: { versions: 10_000 },
    })
    const startMs = performance.now()
    const { told } = await door.ready(`?versionId=${parent?.['id']}`)
    const tookMs = Math.round(performance.now() - startMs)
    expect(told).toMatchObject({ ready: true, confirmations: 1, assay: { versions: 10_000 } })
    process.stdout.write(`/ready over a lineage of 10,000 versions: ${tookMs} ms\n`)
  })
})

/** As many versions, each the parent of the next, declared in transactions of the last block; the newest. */
async function declareChain({ bed, rows }: CertificatesBed, length: number): Promise<string> {
  await bed.fund(party('somebody'), 1)
  const { height } = await bed.chain.tip()
  const root = await bed.chain.rootAt(height)
  await rows(
    `insert into dlm_versions (version_id, standing, manifest, dataset_id, content_hash, created_at, known_ms)
      select sha256(n::text::bytea), 'declared', '{}', 'chain', sha256('x'), '', 0 from generate_series(1, $1::int) as n`,
    length,
  )
  await rows(
    `insert into dlm_parents (version_id, place, parent)
      select sha256(n::text::bytea), 0, sha256((n - 1)::text::bytea) from generate_series(2, $1::int) as n`,
    length,
  )
  await rows(
    `insert into declarations (txid, version_id, kind, vout, raw, status, height, envelope, declared_ms)
      select sha256(('tx' || n)::bytea), sha256(n::text::bytea), 'DLM1', 0, '', 'proven', $2::bigint,
          jsonb_build_object('proof', jsonb_build_object('merkleRoot', $3::text),
            'block', jsonb_build_object('blockHeight', $2::bigint)), 0
        from generate_series(1, $1::int) as n`,
    length,
    height,
    root,
  )
  await rows('analyze dlm_parents')
  const [last] = await rows(`select encode(sha256($1::text::bytea), 'hex') as id`, String(length))
  return String(last?.['id'])
}

const stranger = party('stranger').identityKey

/** As the topic lists what somebody else certifies, in a transaction that a block has. */
async function listStrange(
  { bed }: CertificatesBed,
  versionId: string,
  {
    supersedes = null,
    manifest,
  }: {
    readonly supersedes?: string | null
    readonly manifest?: { readonly parents: readonly string[] }
  } = {},
): Promise<void> {
  const { pool } = bed.database
  const txid = sha256Hex(`${versionId} of a stranger`)
  const { height } = await bed.chain.tip()
  await pool.query(
    `insert into transactions (txid, raw, stored_ms, proof, proof_height, proof_root)
      values (decode($1, 'hex'), '', 0, '', $2, decode($3, 'hex'))`,
    [txid, height, await bed.chain.rootAt(height)],
  )
  const place = {
    contentHash: sha256Hex('x'),
    packetId: null,
    streamId: null,
    partition: null,
    packetNo: null,
  }
  const said = { publisherKey: null, createdMs: null, sourceIds: null }
  await recordWrites(pool, Date.now(), () =>
    postgresCertificatesIndex(pool).put({
      ...{ txid, vout: 1, coordinator: stranger, roundId: sha256Hex('round'), index: 0 },
      ...{ template: 'packet', level: 'enhanced', packetId: sha256Hex('packet'), versionId, supersedes },
      manifest: manifest === undefined ? null : { ...place, ...said, ...manifest },
    }),
  )
}

async function declareChild({ rows }: CertificatesBed, parent: string): Promise<void> {
  const child = sha256Hex(`child of ${parent}`)
  await rows(
    `insert into dlm_versions (version_id, standing, manifest, dataset_id, content_hash, created_at, known_ms)
      values (decode($1, 'hex'), 'declared', '{}', 'x', sha256('x'), '', 0)`,
    child,
  )
  await rows(
    `insert into dlm_parents (version_id, place, parent) values (decode($1, 'hex'), 0, decode($2, 'hex'))`,
    child,
    parent,
  )
}

async function emptyDoor(
  settings: Parameters<typeof lineageDoor>[1] = {},
): Promise<{ bed: CertificatesBed; door: LineageDoor }> {
  const bed = await certificatesBed()
  const both = { bed, door: await lineageDoor(bed.bed, settings) }
  opened.push(both)
  return both
}

/** By its coordinator, for nothing else: what a token at this output stood for is revoked. */
async function spendToken(
  { bed: { bed, rows }, second }: Scene,
  vout: number,
): Promise<{ txid: string; revokedBy: string }> {
  const [{ txid = '' } = {}] = await rows('select txid from certificates limit 1')
  const { transactions } = orThrow(readBeef(writeBeef(await historyOf(bed, String(txid)))))
  const certificate = transactions.find(each => each.txid === txid)
  if (certificate === undefined) throw new Error('the certificate is not there')
  const log = party('log')
  const [coin] = await bed.fund(log, 1)
  if (coin === undefined) throw new Error('nothing to pay with')
  const spending = signTransaction(
    [tokenSpend(certificate, vout, 'GDC1', second, log), coin],
    [payTo(log, 500)],
  )
  const source = bed.beefOf(signTransaction([coin], [payTo(log, 1)])).byTxid.get(coin.txid)
  if (source === undefined) throw new Error('the bed has not funded it')
  const beef = orThrow(readBeef(writeBeef([source, ...transactions, spending])))
  orThrow(await bed.overlay.submit({ beef, topics: [baseTopics.certified] }))
  return { txid: String(txid), revokedBy: spending.txid }
}

async function historyOf({ database: { pool } }: OverlayBed, txid: string) {
  const history = (await readHistories(pool, [txid])).historyOf(txid)
  if (history === undefined) throw new Error(`${txid} has no history here`)
  return history
}

/** A mined transaction, and how a round is paid for with it. */
async function newFuel({ bed }: CertificatesBed) {
  const log = party('log')
  const [spend] = await bed.fund(log, 1, 20_000)
  const source = spend && bed.beefOf(signTransaction([spend], [payTo(log, 1)])).byTxid.get(spend.txid)
  if (spend === undefined || source === undefined) throw new Error('the bed has not funded the round')
  const fuelFrom = (outputs: readonly Output[]) => [source, signTransaction([spend], outputs)] as const
  return { source, fuelFrom }
}

/** As it comes from another host: the whole round, and its manifests beside it. */
async function admitRound(
  { bed }: CertificatesBed,
  source: BeefTransaction,
  { transactions, packets }: CertifiedRound,
): Promise<void> {
  const beef = orThrow(readBeef(writeBeef([source, ...transactions.slice(1)])))
  const offChainValues = utf8(packets.map(({ certified }) => `${certified.manifestJson}\n`).join(''))
  const steak = orThrow(
    await bed.overlay.submit({ beef, topics: [baseTopics.certified, baseTopics.certify], offChainValues }),
  )
  expect(steak[baseTopics.certified]?.outputsToAdmit).toEqual([1, 3])
}

function bundleIn(told: Record<string, unknown>) {
  return told as unknown as {
    readonly graph: {
      readonly nodes: readonly { versionId: string; txo: string }[]
      readonly edges: readonly unknown[]
    }
    readonly manifests: readonly { manifestHash: string; manifest: unknown }[]
    readonly proofs: readonly { versionId: string; envelope: unknown }[]
    readonly assay: Record<string, unknown>
  }
}
