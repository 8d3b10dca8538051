import { describe, expect, test } from 'vitest'
import { EventsLookupService } from '../../lookup-services/events.ts'
import { baseLookupServices, baseTopics } from '../../src/contract/names.ts'
import { isObject, type Json } from '../../src/core/canonical-json.ts'
import { EventsIngestTopicManager } from '../../topic-managers/events-ingest.ts'
import { inMemoryEventsIndex } from '../lookup-services/in-memory-events-index.ts'
import { batchToken } from './batch-transactions.ts'

const service = new EventsLookupService(inMemoryEventsIndex(() => 1000))

describe('the documentation that a host serves', () => {
  // Written anew from the code with: npx vitest run test/topic-managers/documentation.test.ts --update
  test('is the page in docs/topics', async () => {
    const manager = await new EventsIngestTopicManager().getDocumentation()
    await expect(manager).toMatchFileSnapshot('../../docs/topics/tm_gitdata_events_ingest.md')
    await expect(await service.getDocumentation()).toMatchFileSnapshot(
      '../../docs/topics/ls_gitdata_events.md',
    )
  })

  test('states the bounds of the host that serves it', async () => {
    const tight = new EventsIngestTopicManager({
      batchesMax: 3,
      offChainBytesMax: 12_345,
      beefBytesMax: 67_890,
    })
    const page = await tight.getDocumentation()
    for (const bound of ['at most 3 batches', '12,345 bytes', '67,890 bytes']) expect(page).toContain(bound)
  })

  test('asks and answers in its examples as the service does', async () => {
    const page = await service.getDocumentation()
    const [query, context] = [...page.matchAll(/```json\n(.*)\n```/g)].map(
      ([, text]): Json => JSON.parse(text ?? ''),
    )
    expect(await service.lookup({ service: baseLookupServices.events, query })).toEqual([])

    const { script } = batchToken()
    const topic = baseTopics.ingest
    const lockingScript = { toBinary: () => script }
    await service.outputAdmittedByTopic({
      mode: 'locking-script',
      txid: '00'.repeat(32),
      outputIndex: 0,
      topic,
      lockingScript,
    })
    const [answer] = await service.lookup({ service: baseLookupServices.events, query: {} })
    const said: Json = JSON.parse(Buffer.from(answer?.context ?? []).toString('utf8'))
    expect(membersOf(said)).toEqual(membersOf(context))
  })

  test('names every member that a query may have', async () => {
    const page = await service.getDocumentation()
    const refusal = await service
      .lookup({ service: baseLookupServices.events, query: { zzz: 1 } })
      .catch((error: Error) => error.message)
    const [, known = ''] = /known are ([\w, ]+)/.exec(String(refusal)) ?? []
    expect(known.split(', ').length).toBeGreaterThan(10)
    for (const member of known.split(', ')) expect(page).toMatch(new RegExp(`[\`"]${member}[\`"]`))
  })
})

function membersOf(value: Json | undefined): string[] {
  return isObject(value) ? Object.keys(value) : []
}
