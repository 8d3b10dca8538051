import { Engine, KnexStorage } from '@bsv/overlay'
import knexFor, { type Knex } from 'knex'
import pg from 'pg'
import { EventsLookupService } from '../../lookup-services/events.ts'
import type { EventsIndex } from '../../lookup-services/events-index.ts'
import { eventsIndex } from '../../migrations/003-events-index.ts'
import { numbersOf } from '../../src/adapters/bsv/numbers.ts'
import { baseLookupServices, baseTopics } from '../../src/contract/names.ts'
import { EventsIngestTopicManager } from '../../topic-managers/events-ingest.ts'
import { CONNECTIONS, type OpenContender } from './contender.ts'
import { stockSchema } from './stock-schema.ts'

/**
 * The reference engine with the storage and the SDK that come with it, unpatched, and our topic manager and lookup
 * service mounted, as any host would.
 */
export const openStock: OpenContender = async ({ databaseUrl, roots }) => {
  // Its storage hands on what the driver gives, and computes with it.
  pg.types.setTypeParser(pg.types.builtins.INT8, Number)
  const knex = knexFor({
    client: 'pg',
    connection: databaseUrl,
    pool: { min: CONNECTIONS, max: CONNECTIONS },
  })
  await knex.raw(stockSchema)
  await eventsIndex.up(knex)
  const engine = new Engine(
    { [baseTopics.ingest]: new EventsIngestTopicManager() },
    { [baseLookupServices.events]: new EventsLookupService(knexEventsIndex(knex)) },
    new KnexStorage(knex),
    {
      isValidRootForHeight: async (root, height) => roots.get(height) === root,
      currentHeight: async () => Math.max(...roots.keys()),
    },
    undefined,
    undefined,
    undefined,
    undefined,
    undefined,
    { [baseTopics.ingest]: false },
  )
  return {
    async submit(beef) {
      const steak = await engine.submit({ beef: numbersOf(beef), topics: [baseTopics.ingest] })
      return steak[baseTopics.ingest]?.outputsToAdmit.length ?? 0
    },
    async listen() {
      throw new Error('the engine comes without HTTP routes')
    },
    close: () => knex.destroy(),
  }
}

/** The index as somebody would write it who mounts the service and knows Knex. */
function knexEventsIndex(knex: Knex): EventsIndex {
  const at = ({ txid, vout }: { txid: string; vout: number }) => ({ txid: Buffer.from(txid, 'hex'), vout })
  return {
    async put({ publisher, streamId, sourceId, subject, count, carried, ...outpoint }) {
      await knex('gitdata_events')
        .insert({
          ...at(outpoint),
          publisher: Buffer.from(publisher, 'hex'),
          stream_id: streamId,
          source_id: sourceId,
          subject: Buffer.from(subject, 'hex'),
          count,
          carried,
          admitted_ms: Date.now(),
        })
        .onConflict(['txid', 'vout'])
        .ignore()
    },
    async markSpent(outpoint, spendingTxid) {
      await knex('gitdata_events')
        .where(at(outpoint))
        .update({ spent_by: Buffer.from(spendingTxid, 'hex') })
    },
    markUnspent: unasked,
    remove: unasked,
    find: unasked,
  }
}

async function unasked(): Promise<never> {
  throw new Error('nothing is looked up or taken back while submits are measured')
}
