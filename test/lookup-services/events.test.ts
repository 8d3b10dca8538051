import { beforeEach, describe, expect, test } from 'vitest'
import { EventsLookupService } from '../../lookup-services/events.ts'
import { EVENTS_LOOKUP_LIMIT_DEFAULT, EVENTS_LOOKUP_LIMIT_MAX } from '../../lookup-services/events-query.ts'
import { InvalidQuery } from '../../lookup-services/invalid-query.ts'
import type { EventBatchToken } from '../../src/contract/event-batch.ts'
import { baseLookupServices, baseTopics } from '../../src/contract/names.ts'
import { sha256Hex } from '../../src/core/sha256.node.ts'
import { batchToken, publisher, stranger } from '../topic-managers/batch-transactions.ts'
import { inMemoryEventsIndex } from './in-memory-events-index.ts'

const topic: string = baseTopics.ingest
const txid = sha256Hex('transaction')
const spendingTxid = sha256Hex('spending transaction')

let now = 0
let service = new EventsLookupService(inMemoryEventsIndex(() => now))
beforeEach(() => {
  now = 1000
  service = new EventsLookupService(inMemoryEventsIndex(() => now))
})

async function admit({ script }: Pick<EventBatchToken, 'script'>, outputIndex = 0, of = topic) {
  const lockingScript = { toBinary: () => [...script] }
  await service.outputAdmittedByTopic({ mode: 'locking-script', txid, outputIndex, topic: of, lockingScript })
}

async function lookup(query: unknown) {
  const formula = await service.lookup({ service: baseLookupServices.events, query })
  return formula.map(({ context = [], ...outpoint }) => ({
    ...outpoint,
    ...JSON.parse(Buffer.from(context).toString('utf8')),
  }))
}
const places = async (query: unknown) => (await lookup(query)).map(({ outputIndex }) => outputIndex)

describe('a lookup of event batches', () => {
  test('answers with the outpoint, and a context that says what the token does', async () => {
    const token = batchToken()
    await admit(token, 3)
    expect(await lookup({ publisher: publisher.identityKey })).toEqual([
      {
        txid,
        outputIndex: 3,
        admittedMs: 1000,
        cursor: expect.any(String),
        publisher: publisher.identityKey,
        streamId: 'greenhouse',
        sourceId: 'sensor-1',
        subject: token.subject,
        count: 2,
        carried: 'inline',
        spent: false,
      },
    ])
  })

  test('is narrowed by each of its members', async () => {
    const other = batchToken({ issuer: stranger, streamId: 'cellar', sourceId: 'sensor-2', ndjson: '1' })
    await admit(batchToken(), 0)
    now = 2000
    await admit(other, 1)
    await service.outputSpent({ mode: 'txid', txid, outputIndex: 1, topic, spendingTxid })

    const narrowed: [object, number[]][] = [
      [{}, [1, 0]],
      [{ findAll: true }, [1, 0]],
      [{ publisher: stranger.identityKey }, [1]],
      [{ streamId: 'greenhouse' }, [0]],
      [{ sourceId: 'sensor-2' }, [1]],
      [{ subject: other.subject }, [1]],
      [{ txid }, [1, 0]],
      [{ txid: spendingTxid }, []],
      [{ admittedFromMs: 2000 }, [1]],
      [{ admittedToMs: 2000 }, [0]],
      [{ admittedFromMs: 1000, admittedToMs: 2001, order: 'asc' }, [0, 1]],
      [{ spent: true }, [1]],
      [{ spent: false }, [0]],
      [{ publisher: stranger.identityKey, streamId: 'greenhouse' }, []],
    ]
    for (const [query, answer] of narrowed) expect([query, await places(query)]).toEqual([query, answer])
    expect(await places('findAll')).toEqual([1, 0])
  })

  test.each(['asc', 'desc'])(
    'goes on from the cursor of its last output, %sending, until nothing is left',
    async order => {
      for (let vout = 0; vout < 7; vout++) {
        now = 1000 + Math.floor(vout / 3)
        await admit(batchToken({ ndjson: `${vout}` }), vout)
      }
      const seen: number[] = []
      let page = await lookup({ order, limit: 2 })
      while (page.length > 0) {
        seen.push(...page.map(({ outputIndex }) => outputIndex))
        page = await lookup({ order, limit: 2, cursor: page.at(-1)?.cursor })
      }
      const ascending = [0, 1, 2, 3, 4, 5, 6]
      expect(seen).toEqual(order === 'asc' ? ascending : ascending.toReversed())
    },
  )

  test('is answered in pages of a bounded size', async () => {
    const token = batchToken()
    for (let vout = 0; vout < EVENTS_LOOKUP_LIMIT_DEFAULT + 1; vout++) await admit(token, vout)
    expect(await places({})).toHaveLength(EVENTS_LOOKUP_LIMIT_DEFAULT)
    expect(await places({ limit: EVENTS_LOOKUP_LIMIT_MAX })).toHaveLength(EVENTS_LOOKUP_LIMIT_DEFAULT + 1)
  })
})

describe('a query that makes no sense', () => {
  const refusals: [string, unknown, string, string][] = [
    ['a text', 'everything', '', 'object'],
    ['nothing', undefined, '', 'object'],
    ['a list', [], '', 'object'],
    ['an unknown member', { publishers: [] }, '/publishers', 'did you mean "publisher"?'],
    ['a key in capitals', { publisher: publisher.identityKey.toUpperCase() }, '/publisher', 'lower-case hex'],
    ['half a hash', { subject: 'ab' }, '/subject', '32 bytes'],
    ['a number for a name', { streamId: 7 }, '/streamId', 'string'],
    ['a name with U+0000', { sourceId: 'a\0b' }, '/sourceId', 'U+0000'],
    ['a page too large', { limit: EVENTS_LOOKUP_LIMIT_MAX + 1 }, '/limit', String(EVENTS_LOOKUP_LIMIT_MAX)],
    ['a page of nothing', { limit: 0 }, '/limit', '1'],
    ['seconds with a fraction', { admittedFromMs: 1.5 }, '/admittedFromMs', 'int'],
    ['an order of its own', { order: 'random' }, '/order', 'asc'],
    ['a cursor that is none', { cursor: 'next' }, '/cursor', 'context of an answer'],
    ['a cursor beyond all time', { cursor: 'f'.repeat(88) }, '/cursor', 'context of an answer'],
    ['a number for a cursor', { cursor: 2 }, '/cursor', 'string'],
    ['everything and a part', { findAll: true, streamId: 'greenhouse' }, '/streamId', 'one of the two'],
    ['a length that is no length', { streamId: { length: { length: 1 } } }, '', ''],
  ]
  test.each(refusals)(
    'because it is, or has, %s is answered with the member and what is wanted',
    async (_, query, pointer, wanted) => {
      const refusal = await service
        .lookup({ service: 'ls_gitdata_events', query })
        .catch((error: unknown) => error)
      expect(refusal).toBeInstanceOf(InvalidQuery)
      expect(refusal).toMatchObject({
        code: 'ERR_LOOKUP_INVALID_QUERY',
        message: expect.stringContaining(wanted),
        pointer: expect.stringContaining(pointer),
      })
      expect(refusal).toMatchObject({ message: expect.stringContaining(pointer) })
    },
  )
})

describe('the index of event batches', () => {
  test('takes in batches of its own topic alone, and nothing that is no batch', async () => {
    await admit(batchToken(), 0, baseTopics.certified)
    await admit({ script: Uint8Array.of(0x51) }, 1)
    await service.outputAdmittedByTopic({ mode: 'whole-tx' })
    expect(await places({})).toEqual([])
  })

  test('is the same however often it hears of a thing', async () => {
    const tell = async () => {
      await admit(batchToken(), 0)
      await service.outputSpent({ mode: 'txid', txid, outputIndex: 0, topic, spendingTxid })
    }
    await tell()
    const once = await lookup({})
    now += 1
    await tell()
    expect(await lookup({})).toEqual(once)
  })

  test('forgets what is evicted, or no longer kept in the history of its topic', async () => {
    await admit(batchToken(), 0)
    await admit(batchToken(), 1)
    await admit(batchToken(), 2)
    await service.outputEvicted(txid, 0)
    await service.outputEvicted(txid, 0)
    await service.outputNoLongerRetainedInHistory(txid, 1, topic)
    await service.outputNoLongerRetainedInHistory(txid, 2, baseTopics.certified)
    expect(await places({})).toEqual([2])
  })

  test('does not list as spent what was spent in another topic, or by a transaction that was evicted', async () => {
    await admit(batchToken(), 0)
    await service.outputSpent({
      mode: 'txid',
      txid,
      outputIndex: 0,
      topic: baseTopics.certified,
      spendingTxid,
    })
    await service.outputSpent({ mode: 'none' })
    expect(await places({ spent: true })).toEqual([])
    await service.outputSpent({ mode: 'txid', txid, outputIndex: 0, topic, spendingTxid })
    await service.outputUnspent({ txid, outputIndex: 0, topic: baseTopics.certified, spendingTxid })
    expect(await places({ spent: true })).toEqual([0])
    await service.outputUnspent({ txid, outputIndex: 0, topic, spendingTxid })
    expect(await places({ spent: true })).toEqual([])
  })
})
