import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { JsonObject } from '../../../src/core/canonical-json.ts'
import type { Decider } from '../../../src/ingest/may-decide.ts'
import { type HeldBed, openHeldBed } from '../../support/held-bed.ts'
import { party } from '../../support/pipeline.ts'
import { type ServedPublisherRoutes, servePublisherRoutes } from '../../support/publisher-routes.ts'
import { testOnlyIdentityHeader } from '../../support/test-only-authentication.ts'

/** A feed of the sender's writes into a stream of the owner's, and into one that the owner knows nothing of. */
const [owner, sender] = ['who has the stream', 'who has the feed'].map(name => party(name).identityKey) as [
  string,
  string,
]
const operator: Decider = { role: 'admin', who: 'the name of an operator' }
const edit = { carried: { policyTags: null }, payload: { note: 'said by who decided' } }

let bed: HeldBed
let served: ServedPublisherRoutes
beforeAll(async () => {
  bed = await openHeldBed()
  await bed.putStream({ streamId: 'shared', ownerKey: owner })
  await bed.putStream({ streamId: 'senders-secret', ownerKey: sender })
  await bed.putStream({ streamId: 'operators-secret' })
  await bed.putSource({ sourceId: 'theirs', identityKey: sender, streams: ['shared', 'senders-secret'] })
  served = await servePublisherRoutes(bed)
}, 60_000)
afterAll(async () => {
  await served.end()
  await bed.end()
})

async function read(path: string, identityKey: string): Promise<JsonObject> {
  const headers = { [testOnlyIdentityHeader]: identityKey }
  const answer = await served.client.send({ method: 'GET', path, headers })
  expect(answer.status).toBe(200)
  return JSON.parse(answer.body.toString())
}

/** The item and the newest change, as they are shown to a publisher. */
async function shownTo(identityKey: string, id: number) {
  const item = await read(`/publishers/quarantine/${id}`, identityKey)
  const [change] = (await read('/publishers/audit?limit=1', identityKey))['changes'] as JsonObject[]
  return { steps: item['steps'], change, text: JSON.stringify([item['steps'], change]) }
}

async function release(id: number, by: 'operator' | 'sender', streamId: string) {
  const { version } = (await bed.quarantine.inspect(id))?.item ?? {}
  const asked = { id, edit, streamId, override: false }
  const outcome =
    by === 'operator'
      ? await bed.quarantine.release({ ...asked, by: operator })
      : await bed.quarantine.own.release({ ...asked, identityKey: sender, seen: version ?? '' })
  expect(outcome).toMatchObject({ kind: 'released' })
}

describe('what another publisher did with an item', () => {
  test('is told, and not where it went, what was changed of it, or any other detail', async () => {
    const id = await bed.hold('theirs')
    await release(id, 'sender', 'senders-secret')

    const own = await shownTo(sender, id)
    expect(own.steps).toMatchObject([
      { action: 'held' },
      { action: 'edited', by: sender, detail: JSON.stringify(edit) },
      { action: 'released', by: sender, detail: '{"streamId":"senders-secret"}' },
    ])
    expect(own.change).toMatchObject({
      by: sender,
      became: { streamId: 'senders-secret', edit: JSON.stringify(edit) },
    })

    const others = await shownTo(owner, id)
    expect(others.steps).toMatchObject([
      { action: 'held', by: 'node', detail: 'audience-mismatch' },
      { action: 'edited', by: sender, detail: '' },
      { action: 'released', by: sender, detail: '' },
    ])
    expect(others.change).toMatchObject({ by: sender, what: 'released', was: { streamId: 'shared' } })
    expect(others.text).not.toContain('senders-secret')
    expect(others.text).not.toContain('said by who decided')
  })
})

describe('what an operator did with an item', () => {
  test('is told both publishers, and not where it went, what was changed of it, or who it was', async () => {
    const id = await bed.hold('theirs')
    // A try that comes to nothing is a step, too, and says of which streams there are none.
    await bed.quarantine.release({ id, by: operator, streamId: 'said-in-vain', override: false })
    await release(id, 'operator', 'operators-secret')
    for (const reader of [owner, sender]) {
      const { steps, change, text } = await shownTo(reader, id)
      expect(steps).toMatchObject([
        { action: 'held', by: 'node', detail: 'audience-mismatch' },
        ...['refused', 'edited', 'released'].map(action => ({ action, by: 'operator', detail: '' })),
      ])
      expect(change).toMatchObject({ by: 'operator', what: 'released', was: { streamId: 'shared' } })
      for (const secret of ['operators-secret', 'said by who decided', 'said-in-vain', operator.who])
        expect(text).not.toContain(secret)
    }
  })

  test('is told with the reason, where it was given up', async () => {
    const id = await bed.hold('theirs')
    await bed.quarantine.waive(id, operator, 'its sender has asked for it')
    for (const reader of [owner, sender])
      expect(await shownTo(reader, id)).toMatchObject({
        steps: [{}, { action: 'waived', by: 'operator', detail: 'its sender has asked for it' }],
        change: { by: 'operator', what: 'waived', became: { why: 'its sender has asked for it' } },
      })
  })
})
