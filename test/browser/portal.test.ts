import { spawnSync } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { PrivateKey, ProtoWallet } from '@bsv/sdk'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import * as z from 'zod'
import { bedSource } from '../support/agents-bed.ts'
import { aBrowser } from '../support/chromium.ts'
import {
  barriers,
  figures,
  type Interactive,
  operatorToken,
  overflow,
  type PortalBed,
  portalBed,
  screenshot,
} from '../support/portal-bed.ts'
import { describeWith } from '../support/real-component.ts'
import { until } from '../support/until.ts'

const pages = ['', 'events', 'verify', 'feeds', 'streams', 'agents', 'conflicts', 'system'] as const
const looks = [
  { width: 360, colorScheme: 'light' },
  { width: 1280, colorScheme: 'light' },
  { width: 360, colorScheme: 'dark' },
  { width: 1280, colorScheme: 'dark' },
] as const

/** What a page may have of scripts, compressed. */
const SCRIPT_BYTES_MAX = 150_000
/** Of each page, when it is timed. By hand, for figures: ASSAY_VISITS=3 npx vitest run test/browser/portal.test.ts */
const visits = Number(process.env['ASSAY_VISITS'] ?? 1)

const hostile = '<img src=x onerror="document.title=1"><script>document.title=2</script>'

const sentShape = z.looseObject({ items: z.array(z.looseObject({ eventId: z.string() })) })

/** What a terminal makes of the commands that a page shows; with another event each time. */
function send(commands: string, externalId: string): unknown {
  const script = commands.replace('reading-1', externalId).replace(/^curl /m, 'curl -s ')
  const { status, stdout, stderr } = spawnSync('bash', ['-c', script], { encoding: 'utf8' })
  if (status !== 0) throw new Error(`the commands ended with ${status}:\n${stderr}`)
  return JSON.parse(stdout)
}

describeWith(aBrowser, 'the portal of a node with agents', () => {
  let bed: PortalBed
  let eventId: string
  beforeAll(async () => {
    bed = await portalBed()
  }, 240_000)
  afterAll(() => bed?.stop())

  const looksWell = async (page: Page, name: string) => {
    for (const { width, colorScheme } of looks) {
      await page.setViewportSize({ width, height: 900 })
      await page.emulateMedia({ colorScheme })
      expect(await barriers(page)).toEqual([])
      expect(await overflow(page)).toBeLessThanOrEqual(0)
      await screenshot(page, `${name}-${width}-${colorScheme}`)
    }
  }

  const readWell = async (name: string, place: string) => {
    const { page, go, settled, troubles, leave } = await bed.visit()
    await go(place)
    await settled()
    await looksWell(page, name)
    expect(troubles).toEqual([])
    await leave()
  }

  test.each(pages)(
    'has a page %j that reads well where nothing has happened yet',
    async place => {
      await readWell(`empty-${place || 'live'}`, place)
    },
    240_000,
  )

  test.each(pages)(
    'has a page %j of fewer script bytes than a page may have',
    async place => {
      const { page, go, settled, leave } = await bed.visit()
      const sizes: Promise<number>[] = []
      page.on('requestfinished', request => {
        if (request.resourceType() === 'script')
          sizes.push(request.sizes().then(({ responseBodySize }) => responseBodySize))
      })
      await go(place)
      await settled()
      const bytes = (await Promise.all(sizes)).reduce((sum, each) => sum + each, 0)
      expect(bytes).toBeGreaterThan(1_000)
      expect(bytes).toBeLessThan(SCRIPT_BYTES_MAX)
      await leave()
    },
    120_000,
  )

  test('leads from an event that comes to its proof, checked in the page', async () => {
    const { page, go, asked, troubles, leave } = await bed.visit()
    // As a person would come: by the node's address alone.
    await page.goto(bed.node.url)
    await page.getByRole('status').filter({ hasText: 'Listening' }).waitFor()
    const [item] = await bed.node.publish(bedSource, [
      { eventType: 'reading', externalId: hostile, data: { celsius: 21, note: hostile } },
    ])
    eventId = item?.eventId ?? ''
    const line = page.locator('.recent li').filter({ has: page.locator(`a[href="#/events/${eventId}"]`) })
    await line.locator('.state.received, .state.normalized, .state.proven').first().waitFor()
    await line.locator('.state.proven').waitFor()
    const proven = page.locator('.stage.proven .stage-count')
    await until(async () => (await proven.textContent()) === '1')

    await line.getByRole('link').click()
    await page.locator('.event-head .state.proven').waitFor()
    await page.getByRole('heading', { name: 'Certified' }).waitFor()
    // Three stages with a quorum of two each, at least.
    expect(await page.locator('.vote.good').filter({ hasText: 'agreed' }).count()).toBeGreaterThanOrEqual(6)
    await page.getByText(hostile).first().waitFor()
    expect(await page.locator('main img, main script').count()).toBe(0)
    expect(await page.locator('.commands').textContent()).toContain(`/events/${eventId}/proof`)

    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('link', { name: 'Download the proof' }).click(),
    ])
    const proof = await readFile(await download.path(), 'utf8')

    await go('verify')
    const before = asked.length
    // As text: the types of a page's own globals are not those of this file.
    const dropped = await page.evaluateHandle(`(() => {
      const data = new DataTransfer()
      data.items.add(new File([${JSON.stringify(proof)}], 'proof.assay.json', { type: 'application/json' }))
      return data
    })()`)
    await page.dispatchEvent('.drop', 'drop', { dataTransfer: dropped })
    await page.locator('[data-level="consistent"]').waitFor()
    // That the node is there, is asked all the time; nothing else was.
    expect(asked.slice(before).filter(path => path !== '/health/live')).toEqual([])

    await page.getByRole('button', { name: 'Fill in what this node says' }).click()
    await page.locator('[data-level="proven"]').waitFor()
    await page.setInputFiles('#proof', {
      name: 'changed.json',
      mimeType: 'application/json',
      buffer: Buffer.from(proof.replace(eventId, 'f'.repeat(64))),
    })
    await page.locator('[data-level="invalid"], [data-level="unreadable"]').waitFor()
    expect(troubles).toEqual([])
    await leave()
  }, 240_000)

  test('finds an event by its id, by what its source calls it, and by the hash of what was certified', async () => {
    const { page, go, troubles, leave } = await bed.visit()
    const response = await fetch(`${bed.node.url}/events/${eventId}`)
    const { contentHash } = (await response.json()) as { contentHash: string }
    for (const wanted of [eventId, hostile, contentHash]) {
      await go('events')
      await page.getByLabel('Event id').fill(wanted)
      await page.getByRole('button', { name: 'Find' }).click()
      await page.locator('.event-id').filter({ hasText: eventId }).waitFor()
    }
    await go('events')
    await page.getByLabel('Event id').fill('nobody knows this')
    await page.getByRole('button', { name: 'Find' }).click()
    await page.getByText('Nothing that you may read has this id or hash.').waitFor()
    expect(troubles).toEqual([])
    await leave()
  }, 120_000)

  test('lets an operator look into quarantine, mend what is held, and let it in', async () => {
    const { page, go, troubles, leave } = await bed.visit()
    const item = {
      ...{ eventType: 'reading', externalId: 'held', data: { celsius: 22 } },
      policyTags: ['private'],
    }
    const sent = await fetch(`${bed.node.url}/ingest/events?sourceId=${bedSource}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(item),
    })
    expect(await sent.json()).toMatchObject({ counts: { quarantined: 1 } })
    await go('conflicts')
    await page.getByLabel("Operator's token").fill(operatorToken)
    await page.getByRole('button', { name: 'Open' }).click()
    await page.locator('.held-line').click()
    const text = page.getByLabel('What was sent; change it')
    const held = JSON.parse(await text.inputValue()) as { carried: Record<string, unknown> }
    await page.getByRole('button', { name: 'Release it' }).click()
    await page.getByText('it stays as it is').waitFor()
    const { policyTags, ...carried } = held.carried
    expect(policyTags).toEqual(['private'])
    await text.fill(JSON.stringify({ ...held, carried }))
    await page.getByRole('button', { name: 'Release it' }).click()
    await page.getByText('Nothing waits for a decision.').waitFor()
    await page.getByRole('button', { name: 'released' }).click()
    await page.locator('.held-line').click()
    await page.getByRole('link', { name: 'this event' }).click()
    await page.locator('.event-head').filter({ hasText: 'held' }).waitFor()
    // The browser itself reports answers of 4xx; that one was wanted.
    expect(troubles.filter(each => !each.includes('409'))).toEqual([])
    await leave()
  }, 120_000)

  test('lets a publisher look into what is held of its own, mend it, and let it in', async () => {
    const { page, go, troubles, leave } = await bed.visit()
    await go('feeds')
    await page.getByRole('button', { name: 'With a new key of this browser' }).click()
    await page.getByLabel('Name').fill('Held Farm')
    await page.getByRole('button', { name: 'Register' }).click()
    const commands = (await page.locator('.feed .command code').textContent()) ?? ''
    const tagged = commands.replace('"eventType"', '"policyTags":["private"],"eventType"')
    expect(send(commands, 'own-0')).toMatchObject({ counts: { accepted: 1 } })
    for (const externalId of ['own-1', 'own-2'])
      expect(send(tagged, externalId)).toMatchObject({ counts: { quarantined: 1 } })
    // It is counted while somebody looks.
    await page
      .locator('.feed .source')
      .filter({ hasText: /This day: [1-9]/ })
      .waitFor()

    await page.getByRole('link', { name: 'Conflicts and quarantine' }).click()
    const desk = page.getByRole('region', { name: 'Held of yours' })
    await desk.locator('.held-line').first().waitFor()
    expect(await desk.locator('.held-line').count()).toBe(2)
    await desk.locator('.held-line').first().click()
    const text = desk.getByLabel('What was sent; change it')
    const held = JSON.parse(await text.inputValue()) as { carried: Record<string, unknown> }
    await looksWell(page, 'full-conflicts-in')
    await desk.getByRole('button', { name: 'Release it' }).click()
    await desk.getByText('it stays as it is').waitFor()
    const { policyTags, ...carried } = held.carried
    expect(policyTags).toEqual(['private'])
    await text.fill(JSON.stringify({ ...held, carried }))
    await desk.getByRole('button', { name: 'Release it' }).click()
    await until(async () => (await desk.locator('.held-line').count()) === 1)

    // Somebody else is quicker with the other one.
    await desk.locator('.held-line').click()
    await text.waitFor()
    const id = ((await desk.locator('.held-id').textContent()) ?? '').slice(1)
    const waived = await fetch(`${bed.node.url}/admin/quarantine/${id}/waive`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${operatorToken}` },
      body: JSON.stringify({ why: 'the operator was quicker' }),
    })
    expect(waived.status).toBe(200)
    await desk.getByRole('button', { name: 'Release it' }).click()
    await desk.getByText('somebody else has changed it').waitFor()
    await desk.getByText('the operator was quicker').waitFor()

    await desk.getByRole('button', { name: 'released' }).click()
    await desk.locator('.held-line').click()
    await desk.getByRole('link', { name: 'this event' }).click()
    await page.locator('.event-head').filter({ hasText: 'own-' }).waitFor()
    // The browser itself reports answers of 4xx; these were wanted.
    expect(troubles.filter(each => !/409|412/.test(each))).toEqual([])
    await leave()
  }, 240_000)

  test('lets a publisher name readers of a stream that is there, and take them away', async () => {
    const [{ page, go, troubles, leave }, reader] = [await bed.visit(), await bed.visit()]
    await reader.go('feeds')
    await reader.page.getByRole('button', { name: 'With a new key of this browser' }).click()
    const signedIn = reader.page.locator('.who')
    await signedIn.waitFor()
    const theirs = (await signedIn.locator('[title]').first().getAttribute('title')) ?? ''
    expect(theirs).toMatch(/^0[23][0-9a-f]{64}$/)

    await go('feeds')
    await page.getByRole('button', { name: 'With a new key of this browser' }).click()
    await page.getByLabel('Name').fill('Shared Farm')
    await page.getByLabel('Its stream is').selectOption('restricted')
    await page.getByRole('button', { name: 'Register' }).click()
    const commands = (await page.locator('.feed .command code').textContent()) ?? ''
    const answer = sentShape.parse(send(commands, 'shared-1'))
    const id = answer.items[0]?.eventId ?? ''
    await reader.go(`events/${id}`)
    await reader.page.getByText('There is no such event').waitFor()

    await page.getByRole('link', { name: 'Streams and policies' }).click()
    await page.getByLabel('Another reader').fill('nobody')
    await page.getByText('That is no identity key yet').waitFor()
    expect(await page.getByRole('button', { name: 'Let it read' }).isDisabled()).toBe(true)
    await page.getByLabel('Another reader').fill(theirs)
    await page.getByRole('button', { name: 'Let it read' }).click()
    await page.getByRole('button', { name: `Take away ${theirs}` }).waitFor()
    await looksWell(page, 'full-readers-in')

    const canRead = async (can: boolean) => {
      await until(async () => {
        await reader.go('events')
        await reader.page.getByLabel('Event id').fill(id)
        await reader.page.getByRole('button', { name: 'Find' }).click()
        const found = reader.page.locator('.event-id').filter({ hasText: id })
        const none = reader.page.getByText('Nothing that you may read has this id or hash.')
        await found.or(none).first().waitFor()
        return ((await found.count()) === 1) === can
      })
    }
    await canRead(true)
    await page.getByRole('button', { name: `Take away ${theirs}` }).click()
    await page.getByRole('button', { name: `Take away ${theirs}` }).waitFor({ state: 'detached' })
    await canRead(false)
    expect(troubles).toEqual([])
    await leave()
    await reader.leave()
  }, 240_000)

  test('takes the word of a wallet that its owner has on this machine (BRC-100)', async () => {
    const wallet = new ProtoWallet(PrivateKey.fromRandom())
    const { publicKey } = await wallet.getPublicKey({ identityKey: true })
    const { page, go, troubles, leave } = await bed.visit()
    const asked = new Set<string>()
    // The stock wallet, where a browser's extension would put it.
    await page.exposeFunction('askWallet', (name: string, args: never) => {
      asked.add(name)
      if (name === 'getVersion') return { version: 'stock-1.0.0' }
      const method: unknown = Reflect.get(wallet, name)
      if (typeof method !== 'function') throw new Error(`this wallet has no ${name}`)
      return Reflect.apply(method, wallet, [args])
    })
    await page.addInitScript(
      'globalThis.CWI = new Proxy({}, { get: (_, name) => args => globalThis.askWallet(name, args ?? {}) })',
    )
    await go('feeds')
    await page.getByRole('button', { name: 'With a wallet (BRC-100)' }).click()
    await page.getByText('by a wallet').waitFor()
    expect(await page.locator('.who').innerHTML()).toContain(publicKey)
    await page.getByLabel('Name').fill('Wallet Farm')
    await page.getByRole('button', { name: 'Register' }).click()
    const commands = (await page.locator('.feed .command code').textContent()) ?? ''
    expect(send(commands, 'wallet-1')).toMatchObject({ counts: { accepted: 1 } })
    expect([...asked]).toEqual(expect.arrayContaining(['getPublicKey', 'createSignature', 'verifySignature']))
    // It was looked for at the other places of wallets, too.
    expect(troubles.filter(each => !each.includes('ERR_CONNECTION_REFUSED'))).toEqual([])
    await leave()
  }, 240_000)

  test('lets a publisher register, send with the shown commands, change keys meanwhile, and change a policy once it was tried', async () => {
    const { page, go, troubles, leave } = await bed.visit()
    await go('feeds')
    await page.getByRole('button', { name: 'With a new key of this browser' }).click()
    await page.getByLabel('Name').fill(`${hostile} Farm`)
    await page.getByRole('button', { name: 'Register' }).click()
    const secret = page.locator('[data-secret]')
    await secret.waitFor()
    const shown = page.locator('.feed .command code')
    const first = await secret.textContent()
    const before = (await shown.textContent()) ?? ''
    expect(send(before, 'reading-1')).toMatchObject({ counts: { accepted: 1 } })

    await page.getByRole('button', { name: 'Make a new key' }).click()
    await page.getByRole('button', { name: 'Revoke key 2' }).waitFor()
    await until(async () => (await secret.textContent()) !== first)
    // The old key holds for a day beside the new one.
    expect(send(before, 'reading-2')).toMatchObject({ counts: { accepted: 1 } })
    const after = (await shown.textContent()) ?? ''
    expect(send(after, 'reading-3')).toMatchObject({ counts: { accepted: 1 } })
    await page.getByRole('button', { name: 'Revoke key 1' }).click()
    await page.getByRole('button', { name: 'Revoke key 1' }).waitFor({ state: 'detached' })
    expect(send(before, 'reading-4')).not.toHaveProperty('counts')
    await looksWell(page, 'full-feeds-in')

    // What was lost on the way is tried again.
    await page.route('**/policies/dry-run', route => route.abort(), { times: 1 })
    await page.getByRole('link', { name: 'Streams and policies' }).click()
    await page.getByRole('button', { name: 'Change the policy' }).click()
    const policy = page.getByLabel('Policy, as docs')
    await page.getByText('It is tried again soon').waitFor()
    await policy.fill('{"v": 1, "sources": {"*": {"required": ["celsius", "site"]}}}')
    await page.locator('.dry-run .state.warn', { hasText: 'quarantined' }).first().waitFor()
    await policy.fill('{"v": 1, "sources": {"*": {"constants": {"site": "north"}}}}')
    await page.locator('.dry-run .json').filter({ hasText: '"site": "north"' }).first().waitFor()
    await page.getByRole('button', { name: 'Put it in force' }).click()
    await page.getByText('It is in force from the next packet on').waitFor()
    await page.locator('.versions').getByText('Version 3').waitFor()
    await looksWell(page, 'full-streams-in')
    await policy.fill('{"v": 1, "sources": {"*": {"required": [7]}}}')
    await page.getByText('It cannot be a policy').waitFor()
    expect(await page.getByRole('button', { name: 'Put it in force' }).isDisabled()).toBe(true)
    expect(await page.locator('main img, main script').count()).toBe(0)
    // The browser itself reports that a policy was refused and that one was lost on the way, which was wanted.
    expect(troubles.filter(each => !each.includes('400'))).toEqual([expect.stringContaining('ERR_FAILED')])
    await leave()
  }, 240_000)

  test('shows a publisher the private events of its own, and nobody else', async () => {
    const { page, go, troubles, leave } = await bed.visit()
    await go('feeds')
    await page.getByRole('button', { name: 'With a new key of this browser' }).click()
    await page.getByLabel('Name').fill('Private Farm')
    await page.getByLabel('Its stream is').selectOption('restricted')
    await page.getByRole('button', { name: 'Register' }).click()
    const commands = (await page.locator('.feed .command code').textContent()) ?? ''
    await page.getByRole('link', { name: 'Live', exact: true }).click()
    await page.getByRole('status').filter({ hasText: 'Listening' }).waitFor()
    const answer = sentShape.parse(send(commands, 'private-1'))
    const id = answer.items[0]?.eventId ?? ''
    const line = page.locator('.recent li').filter({ has: page.locator(`a[href="#/events/${id}"]`) })
    await line.locator('.state.certified, .state.proven').first().waitFor()
    await line.getByRole('link').click()
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('button', { name: 'Download the proof' }).click(),
    ])
    expect(await readFile(await download.path(), 'utf8')).toContain(id)
    expect(await barriers(page)).toEqual([])
    await screenshot(page, 'full-event-in-1280-light')
    expect(troubles).toEqual([])

    await page.getByRole('link', { name: 'Feeds and keys' }).click()
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByRole('link', { name: 'Live', exact: true }).click()
    await page.getByRole('status').filter({ hasText: 'Listening' }).waitFor()
    expect(await line.count()).toBe(0)
    await go(`events/${id}`)
    await page.getByText('There is no such event').waitFor()
    await leave()
  }, 240_000)

  test('does not let in whoever has another token', async () => {
    const { page, go, leave } = await bed.visit()
    await go('conflicts')
    await page.getByLabel("Operator's token").fill('a-token-of-nobody')
    await page.getByRole('button', { name: 'Open' }).click()
    await page.getByText('The node does not let you in').waitFor()
    expect(await page.locator('.held-line').count()).toBe(0)
    await leave()
  }, 60_000)

  test.each([...pages, 'event'] as const)(
    'has a page %j that reads well where something has happened',
    async place => {
      await readWell(`full-${place || 'live'}`, place === 'event' ? `events/${eventId}` : place)
    },
    240_000,
  )

  test('says how soon each page takes input', async () => {
    const lines: string[] = []
    for (const place of [...pages, `events/${eventId}`]) {
      const found: Interactive[] = []
      for (let visit = 0; visit < visits; visit++) {
        // With nothing kept from the visits before.
        const { go, interactive, leave } = await bed.visit()
        await go(place)
        found.push(await interactive())
        await leave()
      }
      const times = found.map(({ ms }) => Math.round(ms)).sort((a, b) => a - b)
      const median = times[Math.floor(times.length / 2)]
      const key = Math.max(...found.map(({ keyDelayMs }) => keyDelayMs)).toFixed(1)
      const name = place === `events/${eventId}` ? 'an event' : place || 'live'
      lines.push(
        `${name}: takes input after ${median} ms (${times[0]} to ${times.at(-1)}); a key waited ${key} ms at most`,
      )
    }
    expect(lines).toHaveLength(pages.length + 1)
    figures('interactive', lines)
  }, 240_000)

  test('can be gone through with keys alone', async () => {
    const { page, go, leave } = await bed.visit({ viewport: { width: 1280, height: 900 } })
    await go('')
    await page.keyboard.press('Tab')
    expect(await page.locator(':focus').textContent()).toContain('Skip to the content')
    await page.keyboard.press('Enter')
    expect(await page.evaluate('document.activeElement?.id')).toBe('main')
    await page.getByRole('link', { name: 'Agents' }).focus()
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { name: 'Agents', level: 1 }).waitFor()
    expect(await page.evaluate('document.activeElement?.id')).toBe('main')
    expect(await page.title()).toBe('Agents · Assay')
    await leave()
  }, 60_000)

  test('remembers the theme that somebody chose', async () => {
    const { page, go, leave } = await bed.visit({ colorScheme: 'light' })
    await go('')
    const ground = () => page.evaluate('getComputedStyle(document.documentElement).backgroundColor')
    const light = await ground()
    await page.getByRole('radio', { name: 'dark' }).check()
    const dark = await ground()
    expect(dark).not.toBe(light)
    await page.reload()
    await page.locator('main h1').waitFor()
    expect(await ground()).toBe(dark)
    await leave()
  }, 60_000)

  test('says that the node is gone, and goes on when it is back', async () => {
    const { page, go, leave } = await bed.visit()
    await go('')
    await page.getByRole('status').filter({ hasText: 'Listening' }).waitFor()
    await bed.node.node().kill()
    await page.getByRole('alert').filter({ hasText: 'The node does not answer' }).waitFor()
    await page.locator('.pulse.silent').waitFor()
    await screenshot(page, 'gone-live-1280-light')
    await bed.node.restartNode()
    await page.locator('.pulse.here').waitFor()
    await page.locator('.listening.open').waitFor()
    expect(await page.getByRole('alert').count()).toBe(0)
    await leave()
  }, 240_000)
})
