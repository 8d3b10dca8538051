import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as z from 'zod'
import { type ProofVerdict, verifyPacketProof, verifyProof } from '../../../src/contract/verify.ts'
import { canonicalJson, type Json } from '../../../src/core/canonical-json.ts'
import { party } from '../../support/pipeline.ts'
import { type ProofApp, proofApp } from '../../support/proof-app.ts'
import { type TracedRound, tracedRound } from '../../support/traced-round.ts'
import { until } from '../../support/until.ts'
import { routesOf, undocumented } from '../openapi-checks.ts'
import { readApiDocument } from '../openapi-document.ts'

let round: TracedRound
let app: ProofApp
beforeAll(async () => {
  round = await tracedRound()
  app = await proofApp(round)
}, 60_000)
afterAll(async () => {
  await app.stop()
  await round.end()
  expect(app.failures).toEqual([])
})

const eventId = (member: number, index: number) => round.event(member, index).eventId
const events = () =>
  round.packets.flatMap(({ header }, member) =>
    Array.from({ length: header.count }, (_, i) => eventId(member, i)),
  )
/** Every answer is held against the document, and its status remembered. */
const operations = readApiDocument().operations.filter(({ tag }) => tag === 'proofs')
const seen = new Set<string>()
const ask = async (path: string, identityKey?: string) => {
  const answer = await app.get(path, identityKey)
  const form = path.replace(/\?.*/, '').replace(/^\/(events|packets)\/[^/]+/, '/$1/{id}')
  const operation = operations.find(each => each.path === form)
  if (operation === undefined) throw new Error(`${form} is not documented`)
  seen.add(`${form} ${answer.status}`)
  expect(undocumented(operation, answer)).toEqual([])
  return { status: answer.status, text: answer.body.toString(), headers: answer.headers }
}
const verdictOf = async (text: string): Promise<ProofVerdict> => verifyProof(text, await app.trust())
const problemOf = async (path: string) => {
  const { status, text } = await ask(path)
  const { code, missing, retryable } = z.looseObject({ code: z.string() }).parse(JSON.parse(text))
  return { status, code, missing, retryable }
}

describe('the proof of an event', () => {
  test('is not there before it is certified, and the answer says what it waits for', async () => {
    expect(await problemOf(`/events/${eventId(0, 0)}/proof`)).toEqual({
      ...{ status: 409, code: 'proof-not-ready', missing: 'certificate', retryable: true },
    })
    expect(await problemOf(`/events/${'ab'.repeat(32)}/proof`)).toMatchObject({
      status: 404,
      code: 'not-found',
    })
  })

  test('is anchored with the certificate, and proven once a block has it, the rest of the file unchanged', async () => {
    await round.certify()
    const early = await ask(`/events/${eventId(0, 1)}/proof`)
    expect(early.status).toBe(200)
    expect(await verdictOf(early.text)).toMatchObject({ kind: 'valid', level: 'anchored' })
    await round.prove()
    const later = await until(async () => {
      const { text } = await ask(`/events/${eventId(0, 1)}/proof`)
      return text.includes('"block"') && text
    })
    expect(await verdictOf(later)).toMatchObject({
      kind: 'valid',
      level: 'proven',
      event: { eventId: eventId(0, 1) },
    })
    const { block, ...rest } = JSON.parse(later)
    expect(block).toMatch(/^[0-9a-f]+$/)
    expect(canonicalJson(rest)).toBe(early.text)
  })

  test('is there for every event, also for what was set aside, and says what became of it', async () => {
    const outcomes: string[] = []
    for (const id of events()) {
      const verdict = await verdictOf((await ask(`/events/${id}/proof`)).text)
      if (verdict.kind !== 'valid') throw new Error(verdict.fault.detail)
      expect([verdict.level, verdict.event.eventId]).toEqual(['proven', id])
      outcomes.push(verdict.event.outcome)
    }
    expect(outcomes).toEqual([
      ...['accepted', 'accepted', 'quarantined', 'quarantined', 'accepted'],
      ...['accepted', 'accepted', 'accepted'],
    ])
  })
})

const batch = z.strictObject({
  items: z.array(
    z.union([
      z.strictObject({ eventId: z.string(), proof: z.unknown() }),
      z.strictObject({ eventId: z.string(), problem: z.looseObject({ code: z.string() }) }),
    ]),
  ),
  rest: z.array(z.string()),
})

describe('several proofs at once', () => {
  const askFor = async (ids: readonly string[], identityKey?: string) => {
    const { status, text } = await ask(`/proofs?ids=${ids.join(',')}`, identityKey)
    expect(status).toBe(200)
    return { ...batch.parse(JSON.parse(text)), text }
  }

  test('are those that each event is given alone, in the order asked for', async () => {
    const wanted = events().toReversed()
    const { items, rest, text } = await askFor(wanted)
    expect(rest).toEqual([])
    for (const [i, item] of items.entries()) {
      const alone = (await ask(`/events/${wanted[i]}/proof`)).text
      expect('proof' in item && canonicalJson(item.proof as Json)).toBe(alone)
      expect(text).toContain(alone)
    }
    expect(items).toHaveLength(wanted.length)
  })

  test('take few statements, however many of one packet are asked for', async () => {
    const statementsOf = async (work: () => Promise<unknown>) => {
      const before = app.statements()
      await work()
      return app.statements() - before
    }
    // Where it stands is asked elsewhere: here its parts and their history, in a transaction.
    const alone = await statementsOf(() => ask(`/events/${eventId(0, 0)}/proof`))
    const packet = [0, 1, 2, 3, 4].map(index => eventId(0, index))
    const together = await statementsOf(() => askFor(packet))
    expect(alone).toBeLessThanOrEqual(5)
    expect(together).toBeLessThanOrEqual(alone + 1)
  })

  test('that do not fit into one answer are named, to be asked for again', async () => {
    const small = await proofApp(round, { bytesMax: 100 })
    try {
      const [first, ...others] = events()
      const { body } = await small.get(`/proofs?ids=${events().join(',')}`)
      const { items, rest } = batch.parse(JSON.parse(body.toString()))
      expect(items.map(item => item.eventId)).toEqual([first])
      expect(rest).toEqual(others)
    } finally {
      await small.stop()
    }
  })

  test('say of each one that has none why, and of one asked for twice only once', async () => {
    const unknown = 'ab'.repeat(32)
    const { items } = await askFor([unknown, eventId(0, 0), unknown])
    expect(items).toMatchObject([
      { eventId: unknown, problem: { code: 'not-found' } },
      { eventId: eventId(0, 0) },
    ])
  })

  test('are no more than 50, and none where the question is wrong', async () => {
    const ids = Array.from({ length: 51 }, (_, i) => i.toString(16).padStart(64, '0'))
    for (const query of [`?ids=${ids.join(',')}`, '?ids=', '?ids=x', '', '?ids=a&ids=b', '?colour=red'])
      expect(await problemOf(`/proofs${query}`)).toMatchObject({ status: 400, code: 'bad-request' })
    expect((await askFor(ids.slice(1))).items).toHaveLength(50)
  })
})

describe('the proof of a packet', () => {
  test('holds what the proofs of its events share, and is proven as they are', async () => {
    const [packet] = round.packets
    const { text } = await ask(`/packets/${packet?.packetId}/proof`)
    const { event, certified, ...shared } = JSON.parse((await ask(`/events/${eventId(0, 0)}/proof`)).text)
    expect([typeof event, typeof certified]).toEqual(['object', 'object'])
    expect(text).toBe(canonicalJson({ ...shared, format: 'assay-packet-proof' }))
    expect(verifyPacketProof(text, await app.trust())).toMatchObject({
      kind: 'valid',
      level: 'proven',
      packet: {
        packetId: packet?.packetId,
        count: packet?.header.count,
        lines: { sha256: packet?.header.rawHash, root: packet?.header.root },
        output: { sha256: packet?.validated.outputHash },
      },
    })
    expect(verifyPacketProof(text)).toMatchObject({ level: 'consistent' })
    expect(verifyProof(text)).toMatchObject({ kind: 'unreadable' })
    expect(await problemOf(`/packets/${'ab'.repeat(32)}/proof`)).toMatchObject({ status: 404 })
    expect(await problemOf('/packets/x/proof')).toMatchObject({ status: 404 })
  })
})

describe('a reader', () => {
  const [named, other] = ['named', 'other'].map(name => party(name).identityKey)
  const streams = (set: string) => round.query(`update streams set ${set}`)

  test('who may not read the stream is answered as if there were no such thing, byte for byte', async () => {
    await streams(
      `audience = 'restricted', blind_key = decode('${'07'.repeat(32)}', 'hex'), readers = array['${named}']`,
    )
    try {
      for (const path of [`/events/${eventId(0, 0)}/proof`, `/packets/${round.packets[0]?.packetId}/proof`]) {
        const nowhere = await ask(path.replace(/[0-9a-f]{64}/, 'cd'.repeat(32)), other)
        const hidden = await ask(path, other)
        expect([hidden.status, hidden.text]).toEqual([404, nowhere.text])
        expect((await ask(path)).text).toBe(nowhere.text)
        expect((await ask(path, named)).status).toBe(200)
        expect((await ask(path, 'nobody')).status).toBe(401)
      }
      const [hidden, shown] = [other, named].map(key => ask(`/proofs?ids=${eventId(0, 0)}`, key))
      expect((await hidden)?.text).toContain('not-found')
      expect((await shown)?.text).toContain('"proof"')
      expect((await ask('/proofs?ids=x', 'nobody')).status).toBe(401)
    } finally {
      await streams(`audience = 'public', readers = '{}', blind_key = null`)
    }
  })
})

describe('what proofs say of the chain', () => {
  test('is true after a reorganisation: the old file is refused by the new headers, the new one holds', async () => {
    const { chain } = round.bed.bed
    const path = `/events/${eventId(0, 0)}/proof`
    const before = (await ask(path)).text
    const { blockHeight } = heightOf(await verdictOf(before))
    const depth = (await chain.tip()).height - blockHeight + 1
    expect(await chain.reorganise({ depth })).toMatchObject({ kind: 'reorganised' })
    expect(await verdictOf(before)).toMatchObject({ kind: 'invalid', fault: { pointer: '/block' } })
    const after = await until(async () => {
      const { status, text } = await ask(path)
      // Until the new block is known the file has none, or there is none at all; it never has the old one.
      if (status === 409) return false
      const verdict = await verdictOf(text)
      return text !== before && verdict.kind === 'valid' && verdict.level === 'proven' && text
    })
    expect(JSON.parse(after)).toEqual({ ...JSON.parse(before), block: JSON.parse(after).block })
  })
})

function heightOf(verdict: ProofVerdict): { readonly blockHeight: number } {
  if (verdict.kind !== 'valid' || verdict.blockHeight === null) throw new Error('it is in no block')
  return { blockHeight: verdict.blockHeight }
}

describe('a certificate that is spent', () => {
  test('proves nothing any more here', async () => {
    await round.query(`update gitdata_certificates set spent_by = sha256('another') where true`)
    expect(await problemOf(`/events/${eventId(0, 0)}/proof`)).toMatchObject({
      status: 409,
      code: 'certificate-revoked',
    })
    expect(await problemOf(`/packets/${round.packets[0]?.packetId}/proof`)).toMatchObject({ status: 409 })
    await round.query(`update gitdata_certificates set spent_by = null where true`)
  })
})

describe('bytes that are gone', () => {
  test('are said to be, and nothing is made up in their place', async () => {
    const { folder } = round.bed.content
    await folder.remove(round.packets[1]?.validated.outputHash ?? '')
    expect(await problemOf(`/events/${eventId(1, 0)}/proof`)).toEqual({
      ...{ status: 410, code: 'proof-gone', retryable: false },
      missing: undefined,
    })
  })
})

describe('docs/openapi.yaml, on proofs', () => {
  test('lists the routes, and every answer that was had above', () => {
    expect(app.proofRoutes.flatMap(routesOf).sort()).toEqual(
      operations.map(({ method, path }) => `${method} ${path}`).sort(),
    )
    const documented = operations.flatMap(({ path, answers }) =>
      [...answers.keys()].map(each => `${path} ${each}`),
    )
    // These take a broken node, or more events than a test has.
    expect(documented.filter(each => !seen.has(each) && !/ 50[03]$/.test(each))).toEqual([])
  })
})
