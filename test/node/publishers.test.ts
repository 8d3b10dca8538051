import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import { Webhook } from 'standardwebhooks'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { toHex } from '../../src/core/bytes.ts'
import { mayRegisterUnder } from '../../src/node/node-publishers.ts'
import { readSettings, settingList } from '../../src/runtime/settings.ts'
import { openPublisherBed, type PublisherBed, publisherCalled } from '../support/publisher-bed.ts'

const page = readFileSync(new URL('../../docs/publishers.md', import.meta.url), 'utf8')

function block(language: string, name: string): string {
  const found = page.split(`\`\`\`${language}${name === '' ? '' : ` ${name}`}\n`)[1]?.split('\n```')[0]
  if (found === undefined) throw new Error(`docs/publishers.md has no ${language} ${name}`)
  return found
}

describe('the examples of docs/publishers.md', () => {
  let bed: PublisherBed
  beforeAll(async () => {
    bed = await openPublisherBed({ BRC22_JOB_ORCHESTRATION_ENABLED: 'false' })
  }, 60_000)
  afterAll(() => bed.end())

  test('register, post and rotate, and print what the page shows', { timeout: 60_000 }, async () => {
    const running = spawn(process.execPath, ['--input-type=module', '--eval', block('js', 'register')], {
      cwd: new URL('../../', import.meta.url),
      env: {
        ...process.env,
        PUBLISHER_KEY: toHex(publisherCalled('who reads the page').privateKey),
        NODE_URL: bed.node.url,
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const printed = (await text(running.stdout)).trim().replace(/(weather-berlin-)[0-9a-z]{12}$/m, '$1…')
    expect(printed).toBe(block('text', ''))
  })

  test('try a policy, and are answered what the page shows', async () => {
    const publisher = bed.as(publisherCalled('who tries the page'))
    const { stream } = await publisher.register()
    const path = `/publishers/streams/${stream.streamId}/policies/dry-run`
    const { status, body } = await publisher.ask('POST', path, block('json', 'dry-run'))
    expect(status).toBe(200)
    expect(body['events']).toMatchObject(JSON.parse(block('json', 'tried')))
  })

  test('hold an event, release it, and are answered what the page shows', async () => {
    const publisher = bed.as(publisherCalled('who has something held'))
    const { feed, secret } = await publisher.register()
    const body = JSON.stringify({ events: [JSON.parse(block('json', 'held'))] })
    const at = new Date()
    const sent = await fetch(bed.node.url + String(feed['post']), {
      method: 'POST',
      body,
      headers: {
        'content-type': 'application/json',
        'webhook-id': 'held-1',
        'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
        'webhook-signature': new Webhook(secret).sign('held-1', at, body),
      },
    })
    expect(await sent.json()).toMatchObject({ counts: { quarantined: 1 } })
    const { items } = (await publisher.ask('GET', '/publishers/quarantine?state=held')).body
    const [{ id, version }] = items as [{ id: string; version: string }]
    const released = await publisher.ask('POST', `/publishers/quarantine/${id}/release`, {
      ...JSON.parse(block('json', 'release')),
      version,
    })
    const shown = block('json', 'released').replaceAll('your identity key', publisher.identityKey)
    expect(released).toMatchObject({ status: 200, body: JSON.parse(shown) })
  })

  test('name every setting that there is of publishers, and every member that they may not say', async () => {
    const names = settingList.map(({ name }) => name).filter(name => name.startsWith('PUBLISHER'))
    expect(names.filter(name => !page.includes(`\`${name}\``))).toEqual([])
    const publisher = bed.as(publisherCalled('who may not'))
    const { feed, stream } = await publisher.register()
    const refused = async (path: string, version: string, member: string) =>
      (await publisher.ask('PATCH', path, { version, [member]: 'x' })).body['detail']
    const sentence = page.split('refused with a pointer to it: ')[1]?.split('. Besides')[0] ?? ''
    const [ofFeeds = '', ofStreams = ''] = sentence.split(' of a feed; ')
    const members = (part: string) => [...part.matchAll(/`(\w+)`/g)].map(([, member = '']) => member)
    expect([members(ofFeeds).length, members(ofStreams).length]).toEqual([5, 7])
    for (const member of members(ofFeeds))
      expect(await refused(`/publishers/feeds/${feed.feedId}`, feed.version, member)).toContain('operator')
    for (const member of members(ofStreams))
      expect(await refused(`/publishers/streams/${stream.streamId}`, stream.version, member)).toContain(
        'operator',
      )
  })
})

describe('who may register', () => {
  test.each([
    ['local', '', true],
    ['local', 'none', false],
    ['testnet', '', false],
    ['mainnet', '', false],
    ['mainnet', 'open', true],
  ] as const)('is on %s, with PUBLISHERS=%s, anybody: %s', (network, said, isOpen) => {
    const { PUBLISHERS } = readSettings({ PUBLISHERS: said })
    const mayRegister = mayRegisterUnder({ PUBLISHERS, ASSAY_NETWORK: network })
    expect(mayRegister(publisherCalled('anybody').identityKey)).toBe(isOpen)
  })

  test('is nobody whom the operator has not named, where some are named', async () => {
    const named = publisherCalled('who is named')
    const bed = await openPublisherBed({ PUBLISHERS: named.identityKey })
    expect((await bed.as(named).register()).feed.feedId).toMatch(/^weather-berlin-/)
    const stranger = bed.as(publisherCalled('a stranger'))
    const { identityKey } = stranger
    for (const [path, body] of [
      ['/publishers/feeds', { name: 'mine' }],
      ['/publishers/streams', { name: 'mine' }],
      ['/overlay/producers/register-identity', { name: 'me', identityKey }],
    ] as const)
      expect(await stranger.ask('POST', path, body)).toMatchObject({
        status: 403,
        body: { code: 'registration-closed' },
      })
    expect((await stranger.ask('GET', '/publishers/feeds')).body).toMatchObject({
      mayRegister: false,
      feeds: [],
    })
    await bed.end()
  })
})
