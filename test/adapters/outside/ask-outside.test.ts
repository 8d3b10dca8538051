import { Router } from 'express'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import * as z from 'zod'
import { openOutgoing } from '../../../src/adapters/outgoing/outgoing.ts'
import { callCertifier } from '../../../src/adapters/outside/call-certifier.ts'
import { noteValidated } from '../../../src/adapters/outside/note-validated.ts'
import { openOutsideStore } from '../../../src/adapters/outside/outside-store.ts'
import { bytea } from '../../../src/adapters/postgres/sql.ts'
import { nodeHolder } from '../../../src/adapters/uhrp/holder.ts'
import { askOutside } from '../../../src/certify/outside/ask-outside.ts'
import { verifyRequest } from '../../../src/contract/request-signature.ts'
import { canonicalJson } from '../../../src/core/canonical-json.ts'
import { orThrow } from '../../../src/core/fault.ts'
import { sha256Hex } from '../../../src/core/sha256.node.ts'
import { authBed } from '../../support/auth-bed.ts'
import { certifiedRound } from '../../support/certified-round.ts'
import { party } from '../../support/pipeline.ts'
import { type Reply, type SmallServer, smallServer } from '../../support/small-server.ts'
import { type UhrpBed, uhrpBed } from '../../support/uhrp-bed.ts'

const us = party('a node that asks a certifier outside')
const { packets } = certifiedRound()
const packet = firstOf(packets)
const lines = new TextDecoder().decode(packet.validated.bytes).split('\n').slice(0, packet.header.count)
const going = lines.filter(line => !line.includes('"quarantined":true')).length

type Seen = { readonly path: string; readonly headers: NodeJS.Dict<string | string[]>; readonly body: string }

function firstOf<T>([first]: readonly T[]): T {
  if (first === undefined) throw new Error('a round has packets')
  return first
}

let bed: UhrpBed
let server: SmallServer
let reply: (seen: Seen) => Reply | undefined
const seen: Seen[] = []
beforeAll(async () => {
  bed = await uhrpBed()
  server = await smallServer(({ url = '', headers }, body) => {
    // It speaks no BRC-103.
    if (url.startsWith('/.well-known')) return { status: 404, body: '{}' }
    const asked = { path: url, headers, body }
    seen.push(asked)
    return reply(asked)
  })
}, 60_000)
afterAll(async () => {
  await server.stop()
  await bed.close()
})

/** Rows alone, without those that they stand on. */
const write = (sql: string) =>
  bed.database.pool.query(`set session_replication_role = replica; ${sql}; reset session_replication_role`)

/** As the sealer leaves it. */
const writePacket = (audience: string) =>
  write(`
    insert into partitions (stream_id, partition, log, network, level, audience, shards_by, shards_index, shards_count,
        opened_ms)
      values ('${packet.header.streamId}', 0, '${bytea(packet.header.log)}', 'local', 'basic', '${audience}', 'key', 0, 1, 0);
    insert into packets (partition_id, packet_no, packet_id, header, first_seq, count, bytes, raw_hash, sealed_ms)
      select id, ${packet.header.packetNo}, '${bytea(packet.packetId)}', '${canonicalJson(packet.header).replaceAll("'", "''")}',
          ${packet.header.firstSeq}, ${packet.header.count}, ${packet.header.bytes}, '${bytea(packet.header.rawHash)}', 0
        from partitions`)

beforeEach(async () => {
  seen.length = 0
  await bed.clear()
  await write(
    `truncate external_packets, external_verdicts, outcomes, round_results, packets, partitions, dlm_versions cascade`,
  )
  await writePacket('public')
})

/** What this node has validated by itself. */
async function validatedHere() {
  const stored = await bed.store.put(packet.validated.bytes, {
    holder: nodeHolder('validated'),
    audience: 'restricted',
    retainUntilMs: bed.now() + 60_000,
  })
  const output = orThrow(stored).sha256
  await noteValidated(bed.database.pool, [{ packetId: packet.packetId, output }], bed.now())
}

/** What agents agreed on: two have stored it, and the bytes of one are gone. */
async function validatedByAgents() {
  const { bytes, outputHash } = packet.validated
  const stored = await bed.store.put(bytes, {
    holder: nodeHolder('work'),
    audience: 'restricted',
    retainUntilMs: bed.now() + 60_000,
  })
  const answers = [orThrow(stored).sha256, sha256Hex('gone')].map(
    (object, i) => `
      insert into round_results (txid, job_tx, vout, agent_key, operator, status, leaves, work_hash, evidence_hash,
          arrived_ms, is_late, work, work_object)
        values (sha256('${i}'), sha256('job'), ${i}, '', '', 'completed', '', sha256(''), sha256(''), ${i}, false, 'held',
          '${bytea(object)}') on conflict do nothing;
      insert into outcomes (result_tx, member, leaf, packet_id, stage, output_hash, output_at, output_bytes, state_at,
          state_bytes, is_agreed)
        values (sha256('${i}'), 0, sha256('leaf'), '${bytea(packet.packetId)}', 'validate', '${bytea(outputHash)}', 0,
          ${bytes.length}, 0, 0, true) on conflict do nothing`,
  )
  await write(answers.join(';'))
  await noteValidated(bed.database.pool, [{ packetId: packet.packetId, output: null }], bed.now())
}

type Asking = { readonly url?: string; readonly triesMax?: number; readonly answerMsMax?: number }

const failures: unknown[] = []
async function ask({
  url = `${server.url}/hooks/certify?key=secret`,
  triesMax = 3,
  answerMsMax = 5_000,
}: Asking = {}) {
  const { pool } = bed.database
  return askOutside({
    store: openOutsideStore({
      pool,
      content: bed.store,
      name: 'the certifier',
      leaseMs: 60_000,
      now: bed.now,
    }),
    call: callCertifier({
      ...{ url, identity: us, now: bed.now, answerMsMax },
      outgoing: openOutgoing({ network: 'local', isVouchedFor: true }),
    }),
    ...{ triesMax, now: bed.now },
    retryMs: () => 1_000,
    isStopping: () => false,
    at: () => undefined,
    onFailure: error => void failures.push(error),
  })
}

async function verdicts() {
  const { rows } = await bed.database.pool.query<{
    state: string
    attempts: number
    versionId: string | null
    isKnown: boolean | null
    error: string | null
    response: unknown
  }>(`select state, attempts, version_id as "versionId", is_known_version as "isKnown", last_error as error, response
    from external_verdicts order by event_id`)
  return rows
}
const waiting = async () => (await bed.database.pool.query('select from external_packets')).rowCount

const question = z.strictObject({
  type: z.literal('certify'),
  payload: z.strictObject({
    eventId: z.string(),
    sourceId: z.string(),
    normalized: z.json(),
    contentHash: z.string(),
  }),
})

describe('a certifier outside', () => {
  test.each([
    ['this node alone', validatedHere],
    ['agents', validatedByAgents],
  ])('is asked about each event that was validated by %s, once', async (_, validated) => {
    reply = () => ({ status: 201, body: '{"versionId":"v1","note":"fine"}' })
    await validated()
    expect(await ask()).toBe('more')
    expect(await ask()).toBe('none')
    const asked = seen.map(({ body }) => question.parse(JSON.parse(body)).payload)
    expect(asked).toHaveLength(going)
    for (const { eventId, sourceId, normalized, contentHash } of asked) {
      const line: unknown = JSON.parse(lines.find(each => each.includes(eventId)) ?? '')
      expect(line).toMatchObject({ eventId, payload: normalized })
      expect(sourceId).not.toBe('')
      expect(contentHash).toBe(sha256Hex(canonicalJson(normalized)))
    }
    expect(await verdicts()).toEqual(
      asked.map(() => ({
        ...{ state: 'answered', attempts: 1, versionId: 'v1', isKnown: false, error: null },
        response: { versionId: 'v1', note: 'fine' },
      })),
    )
    expect(await waiting()).toBe(0)

    // A quorum says later what this node has said: nothing is asked again.
    await validated()
    await ask()
    expect(seen).toHaveLength(going)
  })

  test('is called with the older headers where it proves no identity', async () => {
    reply = () => ({ status: 200, body: '{"versionId":"v1"}' })
    await validatedHere()
    await ask()
    const nonces = new Set<string>()
    for (const { path, headers, body } of seen) {
      const of = (name: string) => String(headers[name])
      const proven = verifyRequest(
        {
          ...{ method: 'POST', path, body: Buffer.from(body), version: 2 },
          nonce: of('x-nonce'),
          identityKey: of('x-identity-key'),
          signature: of('x-signature'),
        },
        { nowMs: bed.now(), windowSeconds: 60 },
      )
      expect([of('x-signature-version'), orThrow(proven).identityKey]).toEqual(['2', us.identityKey])
      nonces.add(of('x-nonce'))
    }
    expect(nonces.size).toBe(going)
  })

  test('is called under BRC-104 where it proves one, and its answers are signed', async () => {
    const callers: string[] = []
    const peers = await authBed()
    const app = await peers.open({
      routes: ({ requireIdentity }) => {
        const routes = Router()
        routes.post(
          '/certify',
          requireIdentity((_, response, { identityKey, body }) => {
            callers.push(identityKey)
            const { payload } = question.parse(JSON.parse(Buffer.from(body).toString()))
            response.json({ versionId: payload.contentHash })
          }),
        )
        return routes
      },
    })
    try {
      await validatedHere()
      await ask({ url: `${app.url}/certify` })
      expect([callers.length, new Set(callers)]).toEqual([going, new Set([us.identityKey])])
      expect((await verdicts()).map(({ state }) => state)).toEqual(callers.map(() => 'answered'))
    } finally {
      await peers.close()
    }
  })

  test('may name a version that is known here, which is said beside it', async () => {
    const known = sha256Hex('a version')
    await write(`insert into dlm_versions (version_id, standing, manifest, dataset_id, content_hash, created_at, known_ms)
      values ('${bytea(known)}', 'declared', '{}', '', sha256(''), '', 0)`)
    let n = 0
    reply = () => ({
      status: 200,
      body: JSON.stringify({ versionId: n++ === 0 ? known : sha256Hex('none') }),
    })
    await validatedHere()
    await ask()
    const said = await verdicts()
    expect(said.filter(({ isKnown }) => isKnown === true).map(({ versionId }) => versionId)).toEqual([known])
  })

  test.each<[string, () => Reply | undefined, string]>([
    ['fails', () => ({ status: 500, body: '{"versionId":"v1"}' }), 'certifier-failed:500'],
    ['names no version', () => ({ status: 200, body: '{"ok":true}' }), 'certifier-failed:200'],
    ['answers with no JSON', () => ({ status: 200, body: '<p>' }), 'certifier-failed:200'],
    [
      'answers with half of a character',
      () => ({ status: 200, body: '{"versionId":"v1","a":"\\ud800"}' }),
      'certifier-failed:200',
    ],
    [
      'answers with lists without end in each other',
      () => ({ status: 200, body: `{"versionId":"v1","a":${'['.repeat(20_000)}${']'.repeat(20_000)}}` }),
      'certifier-failed:200',
    ],
    ['hangs up', () => undefined, 'certifier-failed:no-answer: http://127.0.0.1'],
  ])('that %s is asked again, and not for ever', async (_, said, why) => {
    reply = said
    await validatedHere()
    await ask({ triesMax: 2 })
    expect(await verdicts()).toEqual(
      Array.from({ length: going }, () =>
        expect.objectContaining({ state: 'due', attempts: 1, isKnown: null }),
      ),
    )
    // Not before its time.
    expect(await ask({ triesMax: 2 })).toBe('none')
    bed.pass(1_000)
    await ask({ triesMax: 2 })
    const dead = await verdicts()
    for (const { state, attempts, error } of dead) {
      expect([state, attempts]).toEqual(['dead', 2])
      expect(error).toContain(why)
    }
    expect([await waiting(), seen.length]).toEqual([0, 2 * going])
  })

  test('whose answer cannot be kept is asked again, and not for ever', async () => {
    reply = () => ({ status: 200, body: '{"versionId":"v1"}' })
    await validatedHere()
    await write(`alter table external_verdicts add constraint full_disk check (state <> 'answered')`)
    try {
      for (let asked = 0; asked < 2; asked++) {
        await ask({ triesMax: 2 })
        bed.pass(1_000)
      }
    } finally {
      await write('alter table external_verdicts drop constraint full_disk')
    }
    for (const { state, error } of await verdicts())
      expect([state, error]).toEqual(['dead', expect.stringContaining('could not be kept')])
    expect([await waiting(), seen.length]).toEqual([0, 2 * going])
  })

  test('that does not answer in time is let go of', async () => {
    let answer = (_: Reply) => {}
    const late = await smallServer(({ url = '' }) =>
      url.startsWith('/.well-known')
        ? { status: 404, body: '' }
        : new Promise<Reply>(resolve => {
            answer = resolve
          }),
    )
    await validatedHere()
    await ask({ url: late.url, answerMsMax: 50, triesMax: 1 })
    answer({ status: 200, body: '{}' })
    await late.stop()
    for (const { state, error } of await verdicts())
      expect([state, error]).toEqual(['dead', expect.stringContaining('50 ms')])
  })

  test('that gets well is asked about what was left', async () => {
    let isWell = false
    reply = () => (isWell ? { status: 200, body: '{"versionId":"v1"}' } : { status: 503, body: '' })
    await validatedHere()
    await ask()
    isWell = true
    bed.pass(1_000)
    await ask()
    expect((await verdicts()).map(({ state, attempts, error }) => [state, attempts, error])).toEqual(
      Array.from({ length: going }, () => ['answered', 2, null]),
    )
  })

  test('is told nothing of restricted streams', async () => {
    await write('truncate packets, partitions cascade')
    await writePacket('restricted')
    await validatedHere()
    expect([await ask(), await waiting(), seen]).toEqual(['none', 0, []])
  })

  test('is told nothing of what belongs to a tenant', async () => {
    await write(`
      insert into streams (stream_id, audience, level, shards_by, shards_count, domain, policy_digest, lateness_ms, created_ms,
          updated_ms, tenant_id)
        values ('${packet.header.streamId}', 'public', 'basic', 'key', 1, 'd', sha256('policy'), 0, 0, 0, 'acme')`)
    await validatedHere()
    expect([await ask(), await waiting(), seen]).toEqual(['none', 0, []])
    // Nor of what was to be asked about before it was the tenant's.
    await write(`update streams set tenant_id = null`)
    await validatedHere()
    expect(await waiting()).toBe(1)
    await write(`update streams set tenant_id = 'acme'`)
    expect([await ask(), await waiting(), seen]).toEqual(['none', 0, []])
    await write('delete from streams')
  })

  test('is not asked about what is not stored any more, after some looks', async () => {
    failures.length = 0
    await noteValidated(
      bed.database.pool,
      [{ packetId: packet.packetId, output: sha256Hex('gone') }],
      bed.now(),
    )
    await ask({ triesMax: 2 })
    bed.pass(1_000)
    await ask({ triesMax: 2 })
    expect([failures.length, await waiting(), seen]).toEqual([2, 0, []])
  })
})
