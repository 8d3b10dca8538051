import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Webhook } from 'standardwebhooks'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  openPublisherBed,
  type Publisher,
  type PublisherBed,
  publisherCalled,
  type Registered,
} from '../../support/publisher-bed.ts'
import { until } from '../../support/until.ts'

const token = 'a-token-of-the-operator'

let objects: string
let bed: PublisherBed
let publisher: Publisher
let stranger: Publisher
let registered: Registered
beforeAll(async () => {
  // Nodes of one database have their objects in one place.
  objects = await mkdtemp(path.join(tmpdir(), 'assay-objects-'))
  bed = await openPublisherBed({ ADMIN_TOKEN: token, UHRP_DIR: objects })
  publisher = bed.as(publisherCalled('whose events are held'))
  stranger = bed.as(publisherCalled('whose events are not'))
  registered = await publisher.register()
}, 60_000)
afterAll(async () => {
  await bed.end()
  await rm(objects, { recursive: true, force: true })
})

let sent = 0
/** Sends an event with a tag that no public stream takes. */
async function post({ feed, secret } = registered, to = bed) {
  const item = {
    eventType: 'reading',
    externalId: `held-${++sent}`,
    data: { celsius: sent },
    policyTags: ['PII'],
  }
  const body = JSON.stringify({ events: [item] })
  const [id, at] = [randomUUID(), new Date()]
  const answer = await fetch(to.node.url + String(feed['post']), {
    method: 'POST',
    body,
    headers: {
      'content-type': 'application/json',
      'webhook-id': id,
      'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
      'webhook-signature': new Webhook(secret).sign(id, at, body),
    },
  })
  return { status: answer.status, body: Object(await answer.json()) }
}
/** Resolves with the id that it is held under. */
async function hold(of = registered): Promise<string> {
  return String((await post(of)).body.items[0].quarantineId)
}
const at = (id: string, action = '') => `/publishers/quarantine/${id}${action}`
const itemOf = async (id: string) => (await publisher.ask('GET', at(id))).body
const versionOf = async (id: string) => String((await itemOf(id))['version'])
const untagged = { edit: { carried: { policyTags: null } } }
const listed = async (query: string, who = publisher) => {
  const { body } = await who.ask('GET', `/publishers/quarantine${query}`)
  return (body['items'] as { readonly id: string }[]).map(({ id }) => id)
}

describe('what is held of a publisher', () => {
  test('is shown to that publisher, with what was sent and what may be done', async () => {
    const id = await hold()
    expect(await publisher.ask('GET', at(id))).toMatchObject({
      status: 200,
      body: {
        id,
        feedId: registered.feed.feedId,
        streamId: registered.stream.streamId,
        reason: 'audience-mismatch',
        state: 'held',
        held: { payload: { celsius: sent }, carried: { policyTags: ['PII'] } },
        may: { edit: true, override: true },
        steps: [{ action: 'held', by: 'node' }],
      },
    })
  })

  test('is to nobody else what there is', async () => {
    const id = await hold()
    const version = await versionOf(id)
    await stranger.register()
    const said = async (held: string) => [
      await stranger.ask('GET', at(held)),
      await stranger.ask('POST', at(held, '/release'), { version, ...untagged }),
      await stranger.ask('POST', at(held, '/waive'), { version, why: 'not mine' }),
      await stranger.ask('POST', at(held, '/release'), { version, override: true, streamId: 'default' }),
    ]
    const theirs = await said(id)
    for (const answer of theirs)
      expect(answer).toMatchObject({
        status: 404,
        body: { code: 'not-found', detail: 'nothing of yours was ever held under this id' },
      })
    expect(theirs).toEqual(await said('987654321'))
    for (const query of ['', `?feedId=${registered.feed.feedId}`, `?streamId=${registered.stream.streamId}`])
      expect(await listed(query, stranger)).toEqual([])
    expect(await itemOf(id)).toMatchObject({ state: 'held', version })
  })

  test('is listed page by page, and by what is asked for', async () => {
    const other = await publisher.register({ name: 'Weather, Rome' })
    const ids = [await hold(other), await hold(other), await hold(other)]
    const of = `?feedId=${other.feed.feedId}`
    expect(await listed(of)).toEqual([ids[2], ids[1], ids[0]])
    expect(await listed(`?streamId=${other.stream.streamId}&state=held`)).toEqual(await listed(of))
    const page = (await publisher.ask('GET', `/publishers/quarantine${of}&limit=2`)).body
    expect(page).toMatchObject({ items: [{ id: ids[2] }, { id: ids[1] }], nextBefore: ids[1] })
    expect(await listed(`${of}&limit=2&before=${page['nextBefore']}`)).toEqual([ids[0]])
    expect(JSON.stringify(page)).not.toContain('celsius')
    expect(await listed(`${of}&reason=stale-event-time`)).toEqual([])
    const waived = { version: await versionOf(ids[1] ?? ''), why: 'a test' }
    expect(await publisher.ask('POST', at(ids[1] ?? '', '/waive'), waived)).toMatchObject({ status: 200 })
    expect(await listed(`${of}&state=held`)).toEqual([ids[2], ids[0]])
    expect(await listed(`${of}&state=waived&reason=audience-mismatch`)).toEqual([ids[1]])
    expect(await listed('')).toContain(ids[1])
    for (const query of [
      '?limit=0',
      '?state=lost',
      '?reason=why',
      '?before=x',
      '?colour=red',
      '?feedId=a&streamId=b',
    ])
      expect(await publisher.ask('GET', `/publishers/quarantine${query}`)).toMatchObject({ status: 400 })
  })

  test('is let in with what was changed of it, and everybody can read it then', async () => {
    const id = await hold()
    const body = { version: await versionOf(id), edit: { ...untagged.edit, payload: { celsius: 99 } } }
    const released = await publisher.ask('POST', at(id, '/release'), body)
    expect(released).toMatchObject({
      status: 200,
      body: {
        state: 'released',
        held: { carried: { policyTags: ['PII'] } },
        steps: [
          { action: 'held', by: 'node' },
          { action: 'edited', by: publisher.identityKey },
          { action: 'released', by: publisher.identityKey },
        ],
      },
    })
    const event = await fetch(`${bed.node.url}/events/${released.body['eventId']}`)
    expect(await event.json()).toMatchObject({ raw: { celsius: 99 } })
  })

  test('stays where what was asked would not let it in, and the answer says what would', async () => {
    const id = await hold()
    const version = await versionOf(id)
    const refused = (more: object) => publisher.ask('POST', at(id, '/release'), { version, ...more })
    expect(await refused({ override: true })).toMatchObject({
      status: 409,
      body: { code: 'quarantine-stays', detail: expect.stringContaining('edit what asks for less') },
    })
    const elsewhere = await refused({ streamId: 'default' })
    expect(elsewhere).toMatchObject({
      status: 409,
      body: { detail: expect.stringContaining('there is no stream "default" that it could go to') },
    })
    const deep = `${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)}`
    const bodies = [
      `{"version":"${version}","edit":${deep}}`,
      `{"version":"${version}","edit":{"\\ud800":null}}`,
    ]
    for (const body of bodies)
      expect(await publisher.ask('POST', at(id, '/release'), body)).toMatchObject({ status: 409 })
    // Nothing was decided, so nothing is on record.
    expect(await itemOf(id)).toMatchObject({ version, steps: [{ action: 'held' }] })
  })

  test.each([
    ['release', { edit: [] }, '/edit'],
    ['release', { edit: 'x' }, '/edit'],
    ['release', { override: 'yes' }, '/override'],
    ['release', { streamId: '' }, '/streamId'],
    ['release', { edits: {} }, '/edits'],
    ['waive', {}, '/why'],
    ['waive', { why: ' ' }, '/why'],
    ['waive', { why: 'x'.repeat(1_001) }, '/why'],
  ])('is refused with a pointer where a decision is none: %s %j', async (action, body, pointer) => {
    const id = await hold()
    const answer = await publisher.ask('POST', at(id, `/${action}`), {
      version: await versionOf(id),
      ...body,
    })
    expect(answer).toMatchObject({ status: 400, body: { code: 'bad-request', pointer } })
  })

  test('is decided by one of two who decide at once, and the other is told', async () => {
    const id = await hold()
    const version = await versionOf(id)
    const answers = await Promise.all([
      publisher.ask('POST', at(id, '/release'), { version, edit: { ...untagged.edit, payload: 'one' } }),
      publisher.ask('POST', at(id, '/release'), { version, edit: { ...untagged.edit, payload: 'other' } }),
      publisher.ask('POST', at(id, '/waive'), { version, why: 'a third' }),
    ])
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 412, 412])
    const after = await itemOf(id)
    for (const { status, body } of answers)
      if (status === 412)
        expect(body).toMatchObject({
          code: 'changed-meanwhile',
          detail: expect.stringContaining('somebody else has changed it'),
          current: after['version'],
        })
      else expect(body).toEqual(after)
    expect((after['steps'] as { action: string }[]).filter(({ action }) => action !== 'edited')).toHaveLength(
      2,
    )
  })

  test('is decided by whoever has seen its last version, and once', async () => {
    const id = await hold()
    const version = await versionOf(id)
    expect(await publisher.ask('POST', at(id, '/waive'), { why: 'blind' })).toMatchObject({
      status: 428,
      body: { code: 'version-missing' },
    })
    const waived = await publisher.ask('POST', at(id, '/waive'), { version, why: 'sent by mistake' })
    expect(waived).toMatchObject({ status: 200, body: { state: 'waived' } })
    const again = { version: waived.body['version'], ...untagged }
    expect(await publisher.ask('POST', at(id, '/release'), again)).toMatchObject({
      status: 409,
      body: { code: 'quarantine-stays' },
    })
    expect(await publisher.ask('POST', at(id, '/waive'), { version, why: 'again' })).toMatchObject({
      status: 412,
    })
  })
})

describe('a release', () => {
  test('lets nothing in while its feed is switched off, and does once that is on again', async () => {
    const own = await publisher.register({ name: 'Weather, off' })
    const id = await hold(own)
    const release = { version: await versionOf(id), ...untagged }
    const feed = `/publishers/feeds/${own.feed.feedId}`
    const put = async (enabled: boolean) => {
      const { version } = (await publisher.ask('GET', feed)).body
      expect(await publisher.ask('PATCH', feed, { version, enabled })).toMatchObject({ status: 200 })
    }
    await put(false)
    // A node may be a second behind with what it knows of feeds.
    await until(async () => (await post(own)).status !== 200)
    expect(await publisher.ask('POST', at(id, '/release'), release)).toMatchObject({
      status: 409,
      body: { code: 'quarantine-stays', detail: expect.stringContaining('switch it on first') },
    })
    await put(true)
    await until(async () => (await publisher.ask('POST', at(id, '/release'), release)).status === 200)
    expect(await itemOf(id)).toMatchObject({ state: 'released' })
  })

  test.each([
    ['with hardly any room on its disk', 'storage-full', { INGEST_FREE_BYTES_MIN: '999999999999999' }],
    ['that takes no events', 'ingestion-disabled', { EVENT_INGESTION_ENABLED: 'false' }],
  ])(
    'is answered by a node %s as ingest is, and leaves the item to be waived',
    { timeout: 60_000 },
    async (_, code, env) => {
      const id = await hold()
      const version = await versionOf(id)
      const other = await openPublisherBed({
        ...{
          DATABASE_URL: bed.node.databaseUrl,
          UHRP_DIR: objects,
          BRC22_JOB_ORCHESTRATION_ENABLED: 'false',
        },
        ...env,
      })
      try {
        const there = other.as(publisherCalled('whose events are held'))
        const posted = await post(registered, other)
        expect(posted).toMatchObject({ status: 503, body: { code } })
        const released = await there.ask('POST', at(id, '/release'), { version, ...untagged })
        expect(released).toEqual(posted)
        expect((await there.ask('GET', at(id))).body).toMatchObject({ state: 'held', version })
        const waive = await there.ask('POST', at(id, '/waive'), { version, why: 'sent anew' })
        expect(waive).toMatchObject({ status: 200, body: { state: 'waived' } })
      } finally {
        await other.end()
      }
    },
  )
})

describe('the record of changes', () => {
  test('says of every decision who made it, when and what, also where that was an operator', async () => {
    const own = await publisher.register({ name: 'Weather, Oslo' })
    const [first, second, third] = [await hold(own), await hold(own), await hold(own)]
    const released = { version: await versionOf(first), ...untagged }
    await publisher.ask('POST', at(first, '/release'), released)
    await publisher.ask('POST', at(second, '/waive'), {
      version: await versionOf(second),
      why: 'a\u0000test',
    })
    const byOperator = await fetch(`${bed.node.url}/admin/quarantine/${third}/waive`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
      body: JSON.stringify({ why: 'by the operator' }),
    })
    expect(byOperator.status).toBe(200)
    const of = async (query: string, who = publisher) => {
      const { body } = await who.ask('GET', `/publishers/audit?${query}&limit=200`)
      return (body['changes'] as { readonly kind: string }[]).filter(({ kind }) => kind === 'quarantine')
    }
    const found = await of(`feedId=${own.feed.feedId}`)
    expect(found).toMatchObject([
      { by: 'operator', what: 'waived', became: { quarantineId: third, why: 'by the operator' } },
      {
        by: publisher.identityKey,
        what: 'waived',
        became: { quarantineId: second, state: 'waived', why: 'a\uFFFDtest' },
      },
      {
        by: publisher.identityKey,
        at: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
        subject: own.feed.feedId,
        what: 'released',
        was: { quarantineId: first, state: 'held', reason: 'audience-mismatch' },
        became: {
          quarantineId: first,
          state: 'released',
          streamId: own.stream.streamId,
          eventId: (await itemOf(first))['eventId'],
          edit: JSON.stringify(untagged.edit),
        },
      },
    ])
    expect(await of(`streamId=${own.stream.streamId}`)).toEqual(found)
    expect(await of('', stranger)).toEqual([])
    expect(await itemOf(third)).toMatchObject({ steps: [{}, { action: 'waived', by: 'operator' }] })
  })
})
