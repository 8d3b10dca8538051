import { afterEach, describe, expect, test } from 'vitest'
import { auditLog, countUnsealed } from '../support/audit-log.ts'
import { eventMixture, type Mixture, type MixtureRequest } from '../support/event-mixture.ts'
import type { Expected } from '../support/mixture/naive-model.ts'
import { type Answered, postMixture } from '../support/post-mixture.ts'
import { runningNode, type TestNode } from '../support/running-node.ts'
import { until } from '../support/until.ts'

// By hand, all of it: ASSAY_MIXTURE=100000 npx vitest run test/node/ingest-mixture.test.ts
const slice = 5_000
const events = Number(process.env['ASSAY_MIXTURE'] ?? slice)
const seed = Number(process.env['ASSAY_SEED'] ?? 20261120)
const connections = 8
const timeout = 60_000 + events * 6

const nodes: TestNode[] = []
afterEach(async () => {
  for (const node of nodes.splice(0)) await node.end()
}, 60_000)

async function nodeFor({ sources }: Mixture): Promise<TestNode> {
  const node = await runningNode({ INGEST_SOURCES_JSON: JSON.stringify(sources) })
  nodes.push(node)
  return node
}

type Verdict = { readonly item: MixtureRequest['items'][number]; readonly answered: Answered }

/** Every request once, over so many connections; what was answered, item by item. */
async function post(
  { url }: TestNode,
  requests: readonly MixtureRequest[],
  atOnce: number,
): Promise<Verdict[]> {
  const verdicts: Verdict[] = []
  const queue = requests.values()
  const client = async () => {
    for (const request of queue) {
      const answers = await postMixture(url, request)
      for (const [i, item] of request.items.entries()) {
        const answered = answers[i]
        if (answered === undefined) throw new Error(`${request.format}: item ${i} was not answered`)
        verdicts.push({ item, answered })
      }
    }
  }
  await Promise.all(Array.from({ length: atOnce }, client))
  return verdicts
}

function asAnswered(expected: Expected): Answered {
  switch (expected.status) {
    case 'accepted':
      return { status: 'accepted', eventId: expected.eventId }
    case 'revision':
      return { status: 'revision', eventId: expected.eventId, revises: expected.revises }
    case 'duplicate':
      return { status: 'duplicate', eventId: expected.of }
    default:
      return { status: expected.status }
  }
}

function countsOf(verdicts: readonly Verdict[]) {
  const count = (...statuses: Answered['status'][]) =>
    verdicts.filter(({ answered }) => statuses.includes(answered.status)).length
  const held = new Set(verdicts.flatMap(({ answered }) => answered.quarantineId ?? []))
  return {
    received: verdicts.length,
    accepted: count('accepted', 'revision'),
    // What is held already is not held again, though its answer is the same.
    duplicate: count('duplicate') + count('quarantined') - held.size,
    rejected: count('rejected'),
    quarantined: held.size,
    waived: 0,
  }
}

async function sealed({ databaseUrl }: TestNode) {
  await until(async () => (await countUnsealed(databaseUrl)) === 0)
  return auditLog(databaseUrl)
}

describe(`a mixture of ${events} events, good and bad, in every format`, () => {
  const mixture = eventMixture({ events, seed })

  test('is judged as docs/formats.md says, in the order in which it comes', { timeout }, async () => {
    const node = await nodeFor(mixture)
    const verdicts = await post(node, mixture.requests, 1)
    const wrong = verdicts.flatMap(({ item, answered }, n) => {
      const wanted = asAnswered(item.expected)
      const { status, eventId, revises } = answered
      const seen = { status, ...(eventId && { eventId }), ...(revises && { revises }) }
      return JSON.stringify(seen, Object.keys(wanted)) === JSON.stringify(wanted, Object.keys(wanted))
        ? []
        : [{ n, wanted, seen }]
    })
    expect(wrong.slice(0, 5)).toEqual([])
    const log = await sealed(node)
    expect(log.faults).toEqual([])
    expect(log.totals).toEqual(countsOf(verdicts))

    // The same again, with the same keys: the answers of the first time, and nothing more in the log.
    const again = await post(node, mixture.requests.slice(0, 20), 1)
    expect(again).toEqual(verdicts.slice(0, again.length))
    expect((await auditLog(node.databaseUrl)).totals).toEqual(log.totals)
  })

  test(`adds up over ${connections} connections, with the same ids where order makes none`, {
    timeout,
  }, async () => {
    const node = await nodeFor(mixture)
    const half = Math.floor(mixture.requests.length / 2)
    const first = await post(node, mixture.requests.slice(0, half), connections)
    const { packetIds } = await auditLog(node.databaseUrl)
    const verdicts = [...first, ...(await post(node, mixture.requests.slice(half), connections))]
    const log = await sealed(node)
    expect(log.faults).toEqual([])
    expect(log.totals).toEqual(countsOf(verdicts))

    const accepted = new Set(
      verdicts.flatMap(({ answered: { status, eventId = '' } }) =>
        status === 'accepted' || status === 'revision' ? [eventId] : [],
      ),
    )
    expect(accepted).toEqual(new Set(log.eventIds))
    const orderless = mixture.requests
      .flatMap(({ items }) => items)
      .flatMap(({ expected, isOrderless }) =>
        isOrderless && 'eventId' in expected ? [expected.eventId] : [],
      )
    expect(orderless.filter(eventId => !accepted.has(eventId))).toEqual([])
    // What was a packet while the rest was still coming is the same one now.
    for (const [name, packetId] of packetIds) expect(log.packetIds.get(name), name).toBe(packetId)
  })
})
