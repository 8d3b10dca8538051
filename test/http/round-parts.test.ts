import { connect } from 'node:net'
import { Registry } from 'prom-client'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { inTransaction } from '../../src/adapters/postgres/sql.ts'
import type { ContentStore } from '../../src/adapters/uhrp/content-store.ts'
import { type Holder, nodeHolder, seatHolder } from '../../src/adapters/uhrp/holder.ts'
import { readPartList } from '../../src/contract/part-list.ts'
import { signRequest } from '../../src/contract/request-signature.ts'
import { onBehalfOf, ROUNDS_PATH, type RoundPart, roundPartUrl } from '../../src/contract/round-locations.ts'
import { readWork, writeWork } from '../../src/contract/work.ts'
import { fromUtf8, utf8 } from '../../src/core/bytes.ts'
import { orThrow } from '../../src/core/fault.ts'
import { sha256Hex } from '../../src/core/sha256.node.ts'
import { nodeApp, standingHeaders } from '../../src/http/app.ts'
import { type HttpServer, httpLimits, listen } from '../../src/http/server.ts'
import { openNodeRoundParts } from '../../src/node/node-round-parts.ts'
import { party } from '../support/pipeline.ts'
import { type UhrpBed, uhrpBed } from '../support/uhrp-bed.ts'
import { until } from '../support/until.ts'
import { routesOf, shown, undocumented } from './openapi-checks.ts'
import { readApiDocument } from './openapi-document.ts'
import { HttpClient } from './raw-http.ts'

const agent = party('agent with a seat')
const publicAgent = party('agent with a seat in the public round')
const stranger = party('agent without one')
const log = party('log')
const nameOf = (what: string) => sha256Hex(`name of ${what}`)

/** Two members, of which the second has no answer: outcomes stand where readWork would find them. */
const work = (of: string) =>
  writeWork([
    { leaf: nameOf(`${of} leaf`), output: utf8(`${of} output`), state: utf8(`${of} state`) },
    { leaf: '0'.repeat(64), output: new Uint8Array(), state: new Uint8Array() },
  ])
/** More than a connection holds that nobody reads from. */
const largeState = Buffer.alloc(24 * 1024 * 1024, 'state')
const twoMegabytes = Buffer.alloc(2 * 1024 * 1024, 'thousands of events')
const halfMegabytes = Array.from({ length: 10 }, (_, i) => Buffer.alloc(512 * 1024, String(i)))
const lines = (of: string) => utf8(`{"of":"${of}"}\n`)

describe('what agents fetch of a round', () => {
  let bed: UhrpBed
  let http: HttpServer
  let client: HttpClient
  let location = ''
  const failures: unknown[] = []
  let nonces = 0n

  beforeAll(async () => {
    bed = await uhrpBed()
    for (const audience of ['public', 'restricted'] as const) await fill(bed, audience)
    const { pool } = bed.database
    const onFailure = (error: unknown) => void failures.push(error)
    const rounds = openNodeRoundParts({
      ...{ database: { pool }, content: bed.store, now: bed.now, onFailure },
      logKey: log.identityKey,
    })
    const routes = [[ROUNDS_PATH, rounds]] as const
    const app = nodeApp({ routes, metrics: new Registry(), network: 'local', onFailure })
    http = await listen(app, 0, '127.0.0.1', { ...httpLimits, headers: standingHeaders('local') })
    client = new HttpClient(http.port)
    location = `http://127.0.0.1:${http.port}${ROUNDS_PATH}`
  })
  afterAll(async () => {
    client.close()
    await http.stop()
    await bed.close()
    expect(failures).toEqual([])
  })

  const fetchPart = (part: RoundPart, name: string, headers: Record<string, string> = {}) =>
    fetch(onBehalfOf(roundPartUrl(location, part, name), log.identityKey), { headers })
  const signed = (part: RoundPart, name: string, by = agent, logKey = log.identityKey) => {
    const { pathname, search } = new URL(onBehalfOf(roundPartUrl(location, part, name), logKey))
    const nonce = nextNonce()
    const request = { method: 'GET', path: pathname + search, nonce, body: new Uint8Array() }
    return {
      'X-Identity-Key': by.identityKey,
      'X-Nonce': nonce,
      'X-Signature': signRequest(request, 2, by.privateKey),
      'X-Signature-Version': '2',
    }
  }
  const nextNonce = () => String(BigInt(Date.now()) * 1_000_000n + nonces++)

  const parts = (of: string): [RoundPart, string, Uint8Array][] => [
    ['document', nameOf(`${of} document`), utf8(documentOf(of))],
    ['packet', nameOf(`${of} packet`), lines(of)],
    ['policy', nameOf(`${of} policy`), utf8(`{"policy":"${of}"}`)],
    ['state', sha256Hex(`${of} kept state`), utf8(`${of} kept state`)],
    ['state', nameOf(`${of} state`), utf8(`${of} state`)],
    ['manifest', nameOf(`${of} version`), utf8(`{"manifest":"${of}"}`)],
  ]

  test('is given to anybody where it is public, and may be kept for ever', async () => {
    for (const [part, name, bytes] of parts('public')) {
      const answer = await fetch(roundPartUrl(location, part, name))
      expect([part, answer.status, fromUtf8(new Uint8Array(await answer.arrayBuffer()))]).toEqual([
        part,
        200,
        fromUtf8(bytes),
      ])
      expect(answer.headers.get('etag')).toBe(`"${name}"`)
      expect(answer.headers.get('cache-control')).toContain('immutable')
      expect(answer.headers.get('content-length')).toBe(String(bytes.length))
      // Not with fetch(), which asks caches to stay out of it.
      const path = new URL(roundPartUrl(location, part, name)).pathname
      const again = await client.send({ method: 'GET', path, headers: { 'if-none-match': `"${name}"` } })
      expect(again.status).toBe(304)
    }
  })

  test('has an outcome as the work of one member, cut out of what the agent has stored', async () => {
    const leaf = nameOf('public leaf')
    const answer = await fetchPart('outcome', leaf)
    const [member, ...more] = orThrow(readWork(new Uint8Array(await answer.arrayBuffer()), 1, 10_000))
    expect(more).toEqual([])
    expect(member).toEqual({ leaf, output: utf8('public output'), state: utf8('public state') })
  })

  test('does not have an outcome before it is agreed on', async () => {
    expect((await fetchPart('outcome', nameOf('undecided leaf'))).status).toBe(404)
    expect((await fetchPart('state', nameOf('undecided state'))).status).toBe(404)
  })

  test('is given to agents with a seat alone where it is restricted', async () => {
    for (const [part, name, bytes] of [
      ...parts('restricted'),
      ['outcome', nameOf('restricted leaf'), undefined] as const,
    ]) {
      const statuses = [
        await fetchPart(part, name),
        await fetchPart(part, name, signed(part, name, stranger)),
        // The publisher of the public round has named all of it there, and its agents have seats in that.
        await fetchPart(part, name, signed(part, name, publicAgent)),
      ].map(({ status }) => status)
      expect([part, ...statuses]).toEqual([part, 404, 404, 404])
      const answer = await fetchPart(part, name, signed(part, name))
      const got = fromUtf8(new Uint8Array(await answer.arrayBuffer()))
      expect([part, answer.status, answer.headers.get('cache-control')]).toEqual([
        part,
        200,
        'private, no-store',
      ])
      if (bytes !== undefined) expect(got).toBe(fromUtf8(bytes))
    }
  })

  /** At a node that has not looked before. */
  async function afresh(content: Pick<ContentStore, 'open'> = bed.store) {
    const onFailure = (error: unknown) => void failures.push(error)
    const rounds = openNodeRoundParts({
      ...{ database: { pool: bed.database.pool }, content, now: bed.now, onFailure },
      logKey: log.identityKey,
    })
    const routes = [[ROUNDS_PATH, rounds]] as const
    const app = nodeApp({ routes, metrics: new Registry(), network: 'local', onFailure })
    const fresh = await listen(app, 0, '127.0.0.1', { ...httpLimits, headers: standingHeaders('local') })
    return {
      async ask(part: RoundPart, name: string, headers: Record<string, string> = {}) {
        const url = roundPartUrl(`http://127.0.0.1:${fresh.port}${ROUNDS_PATH}`, part, name)
        const answer = await fetch(onBehalfOf(url, log.identityKey), { headers })
        await answer.arrayBuffer()
        return answer.status
      },
      stop: fresh.stop,
    }
  }

  test('is given to agents with a seat for as long as they may answer, also where the round is over', async () => {
    const { pool } = bed.database
    const policyOf = async () => {
      const { ask, stop } = await afresh()
      const name = nameOf('restricted policy')
      const statuses = [await ask('policy', name, signed('policy', name)), await ask('policy', name)]
      await stop()
      return statuses
    }
    const put = (state: string, deadlineMs: number) =>
      inTransaction(pool, async db => {
        await db.query('set local session_replication_role = replica')
        const round = `document like '%${nameOf('restricted policy')}%'`
        await db.query(`update rounds set state = $1, in_flight = false where ${round}`, [state])
        await db.query(
          `update round_jobs set deadline_ms = $1 where round_id in (select round_id from rounds where ${round})`,
          [deadlineMs],
        )
      })
    const { rows } = await pool.query<{ state: string }>(
      `select state from rounds where document like '%${nameOf('restricted policy')}%'`,
    )
    await put('over', 0)
    expect(await policyOf()).toEqual([404, 404])
    await put('over', Date.now() + 3_600_000)
    expect(await policyOf()).toEqual([200, 404])
    await put(rows[0]?.state ?? '', 0)
  })

  test.each(["tenant_id = 'acme'", 'published = false'])(
    'is given to agents with a seat alone where %s',
    async set => {
      const { pool } = bed.database
      await inTransaction(pool, async db => {
        await db.query('set local session_replication_role = replica')
        await db.query(
          `insert into streams (stream_id, audience, level, shards_by, shards_count, domain, policy_digest, lateness_ms, created_ms,
            updated_ms) values ('public', 'public', 'basic', 'key', 1, 'd', $1, 0, 0, 0) on conflict do nothing`,
          [Buffer.from(nameOf('public policy'), 'hex')],
        )
      })
      await pool.query(`update streams set ${set} where stream_id = 'public'`)
      const { ask, stop } = await afresh()
      const all = [...parts('public'), ['outcome', nameOf('public leaf'), undefined] as const]
      for (const [part, name] of all) {
        const statuses = [await ask(part, name), await ask(part, name, signed(part, name, publicAgent))]
        expect([part, ...statuses]).toEqual([part, 404, 200])
      }
      await stop()
      await pool.query(`update streams set tenant_id = null, published = true where stream_id = 'public'`)
    },
  )

  test('refuses a signature that is used again, is over another path, or is of version 1', async () => {
    const [part, name] = ['document', nameOf('restricted document')] as const
    const headers = signed(part, name)
    expect((await fetchPart(part, name, headers)).status).toBe(200)
    expect((await fetchPart(part, name, headers)).status).toBe(401)
    expect((await fetchPart(part, name, signed('packet', name))).status).toBe(401)
    expect((await fetchPart(part, name, { ...signed(part, name), 'X-Signature-Version': '1' })).status).toBe(
      401,
    )
    const { 'X-Nonce': _, ...rest } = signed(part, name)
    expect((await fetchPart(part, name, rest)).status).toBe(401)
  })

  test('refuses what an agent has signed for the job of another log, wherever it was passed on from', async () => {
    const [part, name] = ['document', nameOf('restricted document')] as const
    const other = party('another log').identityKey
    const headers = signed(part, name, agent, other)
    const passedOn = await fetch(onBehalfOf(roundPartUrl(location, part, name), other), { headers })
    expect(passedOn.status).toBe(401)
    expect(await passedOn.text()).toContain(`?log=${log.identityKey}`)
    expect((await fetchPart(part, name, headers)).status).toBe(401)
    const bare = await fetch(roundPartUrl(location, part, name), { headers: signed(part, name) })
    expect(bare.status).toBe(401)
  })

  test('is described in docs/openapi.yaml, whatever is answered', async () => {
    const [operation, ...others] = readApiDocument().operations.filter(({ path }) =>
      path.startsWith(`${ROUNDS_PATH}/{part}`),
    )
    if (operation === undefined) throw new Error('the document has no such route')
    const rounds = openNodeRoundParts({
      ...{ content: bed.store, now: bed.now, onFailure: () => undefined },
      database: { pool: bed.database.pool },
      logKey: log.identityKey,
    })
    const documented = [operation, ...others].map(({ method, path }) => `${method} ${path}`)
    expect(routesOf(rounds).map(route => route.replace(' ', ` ${ROUNDS_PATH}`))).toEqual(documented)
    const get = (path: string, headers: Record<string, string> = {}) => ({
      method: 'GET',
      path: `${ROUNDS_PATH}/${path}`,
      headers,
    })
    const [document] = [nameOf('restricted document')]
    const asked = [
      ...['document', 'policy', 'packet', 'manifest'].map(part =>
        get(`${part}/${nameOf(`public ${part === 'manifest' ? 'version' : part}`)}`),
      ),
      get(`outcome/${nameOf('public leaf')}`),
      get(`document/${nameOf('public document')},${nameOf('restricted document')}`),
      get(`document/${nameOf('public document')}`, { 'if-none-match': `"${nameOf('public document')}"` }),
      get(`document/${document}`, signed('document', document)),
      get(`document/${document}`, { 'X-Nonce': '1' }),
      get(`document/${document}`),
      get('document/x'),
    ]
    const seen = new Set<string>()
    for (const request of asked) {
      const answer = await client.send(request)
      seen.add(String(answer.status))
      expect(undocumented(operation, answer).map(each => `${each}: ${shown(request, answer)}`)).toEqual([])
    }
    expect([...operation.answers.keys()].filter(status => !seen.has(status))).toEqual(['500', '503'])
  })

  test('leaves room for agents with seats, however many strangers take nothing of what they asked for', async () => {
    const { pool } = bed.database
    const onFailure = (error: unknown) => void failures.push(error)
    const limits = { readsOfNetworkMax: 2, seatedReadsAtOnceMax: 1, silenceMsMax: 1500 }
    const rounds = openNodeRoundParts({
      ...{ content: bed.store, now: bed.now, limits, onFailure },
      ...{ database: { pool }, logKey: log.identityKey },
    })
    const routes = [[ROUNDS_PATH, rounds]] as const
    const app = nodeApp({ routes, metrics: new Registry(), network: 'local', onFailure })
    const narrow = await listen(app, 0, '127.0.0.1', { ...httpLimits, headers: standingHeaders('local') })
    const path = `${ROUNDS_PATH}/state/${sha256Hex(largeState)}`
    const silent = [0, 1].map(() => {
      const socket = connect(narrow.port, '127.0.0.1').pause()
      socket.on('error', () => undefined)
      socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`)
      return socket
    })
    const [part, name] = ['document', nameOf('public document')] as const
    const ask = async (headers: Record<string, string> = {}) => {
      const url = roundPartUrl(`http://127.0.0.1:${narrow.port}${ROUNDS_PATH}`, part, name)
      const answer = await fetch(onBehalfOf(url, log.identityKey), { headers })
      await answer.arrayBuffer()
      return answer.status
    }
    await until(async () => (await ask()) === 503)
    expect(await ask(signed(part, name, stranger))).toBe(503)
    expect(await ask(signed(part, name))).toBe(200)
    await until(async () => (await ask()) === 200)
    for (const socket of silent) socket.destroy()
    await narrow.stop()
  })

  describe('several parts at once', () => {
    const listOf = async (part: RoundPart, names: readonly string[], by?: typeof agent) => {
      const name = names.join(',')
      const answer = await fetchPart(part, name, by === undefined ? {} : signed(part, name, by))
      const bytes = new Uint8Array(await answer.arrayBuffer())
      expect([answer.status, answer.headers.get('cache-control')]).toEqual([200, 'private, no-store'])
      return orThrow(readPartList(bytes, names.length)).map(each => each && fromUtf8(each))
    }
    const names = ['public', 'restricted', 'no'].map(of => nameOf(`${of} document`))

    test('come in the order of their names, without those that are not for whoever asks', async () => {
      const [open, closed] = [documentOf('public'), documentOf('restricted')]
      expect(await listOf('document', names)).toEqual([open, undefined, undefined])
      expect(await listOf('document', names, stranger)).toEqual([open, undefined, undefined])
      expect(await listOf('document', [...names].reverse(), agent)).toEqual([undefined, closed, open])
    })

    test('come without what is long, and without what does not fit any more', async () => {
      const small = sha256Hex('public kept state')
      expect(await listOf('state', [sha256Hex(largeState), small])).toEqual([undefined, 'public kept state'])
      // Each of them is short enough to come, and not all of them are.
      const many = halfMegabytes.map(sha256Hex)
      const found = await listOf('state', [...many, small])
      expect(found.map(each => each?.length)).toEqual([
        ...many.map((_, i) => (i < 8 ? 512 * 1024 : undefined)),
        undefined,
      ])
    })

    test('are opened once for all who ask within a moment, one by one as well', async () => {
      const opened: string[] = []
      const node = await afresh({
        open(sha256, reader) {
          opened.push(sha256)
          return bed.store.open(sha256, reader)
        },
      })
      const names = [twoMegabytes, ...halfMegabytes.slice(0, 2)].map(sha256Hex)
      for (const asked of [names.join(','), names.join(','), ...names])
        expect(await node.ask('state', asked)).toBe(200)
      expect(opened.sort()).toEqual(names.sort())
      await node.stop()
    })

    test('are no more than 64', async () => {
      const list = (length: number) => Array.from({ length }, () => names[0] ?? '')
      expect((await fetchPart('document', list(65).join(','))).status).toBe(404)
      expect(await listOf('document', list(64))).toEqual(list(64).map(() => documentOf('public')))
      for (const name of [`${names[0]},`, `,${names[0]}`, `${names[0]},x`])
        expect((await fetchPart('document', name)).status).toBe(404)
    })
  })

  test('answers a name that is none, or a part that is none, as one that is not there', async () => {
    for (const path of ['document/xyz', `secrets/${nameOf('x')}`, `packet/${nameOf('nothing')}`])
      expect((await fetch(`${location}/${path}`)).status).toBe(404)
  })
})

/** Whoever publishes writes some of a document: here names of what is another's, spelled as a document would. */
const othersNames = [
  nameOf('restricted policy'),
  sha256Hex('restricted kept state'),
  nameOf('restricted version'),
].flatMap(name => [name, `"digest":"${name}"`, `"stateIn":"${name}"`, `"versionId":"${name}"`])

function documentOf(of: string): string {
  return JSON.stringify({
    headers: of === 'public' ? [{ constants: { policyTags: othersNames }, sources: [] }] : [],
    policies: [{ digest: nameOf(`${of} policy`), locations: [] }],
    partitions: [{ stateIn: sha256Hex(`${of} kept state`) }],
    parents: [{ versionId: nameOf(`${of} version`) }],
  })
}

/** A round of one packet with one agreed and one undecided outcome, written past the rows that they build on. */
async function fill({ database: { pool }, store }: UhrpBed, audience: 'public' | 'restricted') {
  const of = audience
  const put = async (bytes: Uint8Array, holder: Holder) => {
    const retainUntilMs = Date.now() + 600_000
    return orThrow(await store.put(bytes, { holder, audience: 'restricted', retainUntilMs })).sha256
  }
  const stored = work(of)
  const workObject = await put(stored, seatHolder({ txid: nameOf(`${of} job`), vout: 0 }))
  const undecided = `undecided ${of}`
  const rawHash = await put(lines(of), nodeHolder('packets'))
  const keptState = await put(utf8(`${of} kept state`), nodeHolder('states'))
  const largeObject = await put(largeState, nodeHolder('states'))
  const hex = (what: string) => Buffer.from(nameOf(`${of} ${what}`), 'hex')
  const outputAt = 2 * 32 + 4
  const outputBytes = utf8(`${of} output`).length
  await inTransaction(pool, async db => {
    await db.query('set local session_replication_role = replica')
    const insert = (table: string, row: Record<string, unknown>) => {
      const columns = Object.keys(row)
      return db.query(
        `insert into ${table} (${columns.join(', ')}) overriding system value values (${columns.map((_, i) => `$${i + 1}`).join(', ')})`,
        Object.values(row),
      )
    }
    const partition = of === 'public' ? 1 : 2
    await insert('partitions', {
      id: partition,
      stream_id: of,
      partition: 0,
      log: Buffer.alloc(33),
      network: 'local',
      level: 'basic',
      audience,
      shards_by: 'key',
      shards_index: 0,
      shards_count: 1,
      opened_ms: 0,
    })
    await insert('packets', {
      partition_id: partition,
      packet_no: 0,
      packet_id: hex('packet'),
      header: JSON.stringify({ audience }),
      first_seq: 0,
      count: 1,
      bytes: lines(of).length,
      raw_hash: Buffer.from(rawHash, 'hex'),
      sealed_ms: 0,
    })
    await insert('policy_sets', { digest: hex('policy'), policy: `{"policy":"${of}"}`, created_ms: 0 })
    await insert('rounds', {
      round_id: hex('round'),
      template: 'packet',
      level: 'basic',
      audience,
      attempt: 1,
      document: documentOf(of),
      input_hash: hex('document'),
      roster_digest: Buffer.alloc(32),
      state: 'open',
      made_ms: 0,
    })
    await insert('round_members', { round_id: hex('round'), index: 0, packet_id: hex('packet') })
    await insert('round_jobs', {
      txid: hex('job'),
      round_id: hex('round'),
      template: 'packet',
      stage: 'validate',
      level: 'basic',
      members: [0],
      input_root: Buffer.alloc(32),
      rebuild: 0,
      deadline_ms: 0,
      output_bytes_max: 0,
      fan_out: 'all',
      made_ms: 0,
    })
    await insert('round_seats', {
      job_tx: hex('job'),
      vout: 0,
      stage: 'validate',
      agent_key: Buffer.from((of === 'public' ? publicAgent : agent).identityKey, 'hex'),
      operator: Buffer.alloc(33),
      endpoints: [],
      satoshis: 1,
      next_run_ms: 0,
      made_ms: 0,
    })
    await insert('round_results', {
      txid: hex('result'),
      job_tx: hex('job'),
      vout: 0,
      agent_key: Buffer.from(agent.identityKey, 'hex'),
      operator: Buffer.alloc(33),
      status: 'completed',
      leaves: Buffer.alloc(32),
      work_hash: Buffer.alloc(32),
      evidence_hash: Buffer.alloc(32),
      arrived_ms: 0,
      is_late: false,
      work: 'held',
      work_object: Buffer.from(workObject, 'hex'),
    })
    const outcome = {
      result_tx: hex('result'),
      packet_id: hex('packet'),
      stage: 'validate',
      output_hash: Buffer.alloc(32),
      output_at: outputAt,
      output_bytes: outputBytes,
      state_at: outputAt + outputBytes + 4,
      state_bytes: utf8(`${of} state`).length,
    }
    await insert('outcomes', {
      ...outcome,
      member: 0,
      leaf: hex('leaf'),
      state_out: hex('state'),
      is_agreed: true,
    })
    await insert('outcomes', {
      ...outcome,
      member: 1,
      leaf: Buffer.from(nameOf(of === 'public' ? 'undecided leaf' : `${undecided} leaf`), 'hex'),
      state_out: Buffer.from(nameOf(of === 'public' ? 'undecided state' : `${undecided} state`), 'hex'),
      is_agreed: false,
    })
    await insert('kept_states', {
      state: Buffer.from(keptState, 'hex'),
      partition_id: partition,
      packet_no: 0,
      bytes: 1,
      kept_ms: 0,
    })
    await insert('kept_states', {
      state: Buffer.from(largeObject, 'hex'),
      partition_id: partition,
      packet_no: 1,
      bytes: largeState.length,
      kept_ms: 0,
    })
    for (const [i, bytes] of (of === 'public' ? [...halfMegabytes, twoMegabytes] : []).entries())
      await insert('kept_states', {
        state: Buffer.from(await put(bytes, nodeHolder('states')), 'hex'),
        partition_id: partition,
        packet_no: 100 + i,
        bytes: bytes.length,
        kept_ms: 0,
      })
    await insert('dlm_versions', {
      version_id: hex('version'),
      standing: 'certified',
      manifest: `{"manifest":"${of}"}`,
      dataset_id: 'data',
      content_hash: Buffer.alloc(32),
      packet_id: hex('packet'),
      created_at: '',
      known_ms: 0,
    })
  })
}
