import fs from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as z from 'zod'
import { type AdminApp, adminApp } from '../support/admin-app.ts'
import { party } from '../support/pipeline.ts'
import { runningNode, type TestNode } from '../support/running-node.ts'

const vectorFile = z.object({
  vectors: z.array(
    z.object({
      id: z.string(),
      description: z.string(),
      input: z.looseObject({
        method: z.string(),
        path: z.string(),
        headers: z.record(z.string(), z.string()).default({}),
        query: z.record(z.string(), z.string()).default({}),
        body: z.unknown().optional(),
        body_hex: z.string().optional(),
      }),
      expected: z.looseObject({
        status: z.number().optional(),
        status_oneof: z.array(z.number()).optional(),
        body: z.record(z.string(), z.unknown()).optional(),
        content_type: z.string().optional(),
      }),
    }),
  ),
})

const fakeTransaction = 'its transaction is made up, and no node that verifies can take it'
const madeUpAdverts =
  'its adverts are made up, and it asks with a member `topic`, which no stock client sends'

/** Why a vector is not sent. Every other one must pass. */
const skipped: Readonly<Record<string, string>> = {
  'overlay.submit.1': fakeTransaction,
  'overlay.submit.2': fakeTransaction,
  'overlay.submit.3': fakeTransaction,
  'overlay.submit.8': `${fakeTransaction}; it also puts the off-chain values first, where BRC-22 and its clients put the BEEF`,
  'overlay.submit.10': `${fakeTransaction}; it also names a member of the answer that no implementation sends`,
  'overlay.lookup.1': madeUpAdverts,
  'overlay.lookup.2': 'it wants an answer of type freeform, which BRC-24 and the SDK have done away with',
  'overlay.lookup.8': madeUpAdverts,
  'overlay.topicmanagement.17': 'its block proof is made up, and carries no token of the callback',
}

/** Needs a node that is not ready. */
const whenNotReady = new Set(['overlay.topicmanagement.2'])
/** Needs a node without an operator's identity. */
const withoutOperator = new Set(['overlay.topicmanagement.6'])
/** They ask for what the ones before them have done. */
const bansFirst = 'overlay.topicmanagement.13'

const folder = process.env['ASSAY_CONFORMANCE_DIR']
if (folder === undefined || !fs.existsSync(path.join(folder, 'overlay')))
  describe.skip('the published overlay vectors (skipped: set ASSAY_CONFORMANCE_DIR to a folder that holds overlay/submit.json, lookup.json and topic-management.json)', () => {
    test('are not here', () => undefined)
  })
else replay(path.join(folder, 'overlay'))

function replay(vectors: string): void {
  describe.each(['submit', 'lookup', 'topic-management'])('the published overlay vectors: %s', name => {
    let node: TestNode
    let broken: TestNode
    let admin: AdminApp
    let withoutAdmin: AdminApp
    beforeAll(async () => {
      node = await runningNode()
      const token = 'test-admin-token-abc123'
      admin = await adminApp(node, { token, identityKeys: [party('an operator').identityKey] })
      withoutAdmin = await adminApp(node)
      broken = await runningNode()
      await broken.dropDatabase()
    }, 60_000)
    afterAll(async () => {
      await admin.stop()
      await withoutAdmin.stop()
      await node.end()
      await broken.end()
    }, 60_000)

    const file = vectorFile.parse(JSON.parse(fs.readFileSync(path.join(vectors, `${name}.json`), 'utf8')))
    for (const { id, description, input, expected } of file.vectors) {
      const why = skipped[id]
      if (why !== undefined) test.skip(`${id}: ${description} (skipped: ${why})`, () => undefined)
      else
        test(`${id}: ${description}`, async () => {
          const operated = withoutOperator.has(id) ? withoutAdmin : admin
          const whole = whenNotReady.has(id) ? broken : node
          if (id === bansFirst) await ban(operated.url)
          const response = await send((input.path.startsWith('/admin/') ? operated : whole).url, input)
          expect(expected.status_oneof ?? [expected.status]).toContain(response.status)
          if (expected.content_type)
            expect(response.headers.get('content-type')).toContain(expected.content_type)
          if (expected.body) expect(await response.json()).toMatchObject(asMatcher(expected.body))
        })
    }
  })
}

function send(
  url: string,
  {
    method,
    path: route,
    headers,
    query,
    body,
    body_hex: hex,
  }: z.infer<typeof vectorFile>['vectors'][number]['input'],
) {
  const target = new URL(route, url)
  for (const [name, value] of Object.entries(query)) target.searchParams.set(name, value)
  const sent =
    hex !== undefined ? Buffer.from(hex, 'hex') : body === undefined ? undefined : JSON.stringify(body)
  return fetch(target, { method, headers, ...(sent !== undefined && { body: sent }) })
}

/** What the vector finds banned had been banned before it, and another vector lets it in again. */
async function ban(url: string): Promise<void> {
  const body = { type: 'domain', value: 'malicious.example.com', reason: 'Repeated spam submissions' }
  await send(url, {
    method: 'POST',
    path: '/admin/ban',
    headers: { Authorization: 'Bearer test-admin-token-abc123' },
    query: {},
    body,
  })
}

/** The vectors spell "a text" and "one of" in names of members; names of nodes and counts are each node's own. */
function asMatcher(body: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(body).flatMap(([name, value]): [string, unknown][] => {
      if (name === 'message_type') return [['message', expect.any(String)]]
      if (name === 'status_oneof' && Array.isArray(value))
        return [['status', expect.toSatisfy(seen => value.includes(seen))]]
      if (name === 'service')
        return [
          [
            'service',
            expect.objectContaining({ name: expect.any(String), topicManagerCount: expect.any(Number) }),
          ],
        ]
      // Which records there are, and what is hosted, is each node's own; that it says so is not.
      if (name === 'data' && isObject(value))
        return [['data', expect.objectContaining(Object.fromEntries(Object.entries(value).map(ofAnyNode)))]]
      if (name === 'adminIdentityKey' && value !== null) return [[name, expect.any(String)]]
      if (name === 'nodeName') return [[name, expect.any(String)]]
      return [[name, value]]
    }),
  )
}

function ofAnyNode([name, value]: [string, unknown]): [string, unknown] {
  if (Array.isArray(value) && value.length > 0 && value.every(isObject))
    return [name, expect.arrayContaining(value.map(each => expect.objectContaining(each)))]
  if (Array.isArray(value)) return [name, expect.any(Array)]
  if (name === 'total' || name === 'pages') return [name, expect.any(Number)]
  return [name, typeof value === 'string' ? expect.any(String) : value]
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
