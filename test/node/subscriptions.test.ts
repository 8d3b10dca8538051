import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as z from 'zod'
import { toHex } from '../../src/core/bytes.ts'
import { freePort } from '../support/free-port.ts'
import { party } from '../support/pipeline.ts'
import { runningNode, type TestNode } from '../support/running-node.ts'
import { authFetchOf } from '../support/stock-auth.ts'
import { openSubscriptionsBed } from '../support/subscriptions-bed.ts'
import { until } from '../support/until.ts'

const page = readFileSync(new URL('../../docs/subscriptions.md', import.meta.url), 'utf8')

/** A program of the page, as somebody would run it beside the packages that it imports. */
function run(name: string, env: Readonly<Record<string, string>>) {
  const program = page.split(`\`\`\`js ${name}\n`)[1]?.split('\n```')[0]
  if (program === undefined) throw new Error(`docs/subscriptions.md has no program ${name}`)
  return spawn(process.execPath, ['--input-type=module', '--eval', program], {
    cwd: new URL('../../', import.meta.url),
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
}

describe('the programs of docs/subscriptions.md', () => {
  let node: TestNode
  beforeAll(async () => {
    node = await runningNode({ BRC22_JOB_ORCHESTRATION_ENABLED: 'false' })
  }, 60_000)
  afterAll(() => node.end())

  test('store a subscription at a node, which asks its receiver for consent; its owner alone may change it', async () => {
    const owner = party('who reads the page')
    const port = String(await freePort())
    const subscribing = run('subscribe', {
      OWNER_KEY: toHex(owner.privateKey),
      NODE_URL: node.url,
      CALLBACK_URL: `http://127.0.0.1:${port}/`,
    })
    const [id = '', secret = ''] = (await text(subscribing.stdout)).trim().split(' ')
    expect([id, secret]).toEqual([expect.stringMatching(/^sub_/), expect.stringMatching(/^whsec_/)])
    const receiving = run('receiver', { WEBHOOK_SECRET: secret, PORT: port })
    const path = `${node.url}/overlay/subscriptions/${id}`
    const mine = authFetchOf(owner)
    const shape = z.looseObject({ status: z.string(), webhook: z.looseObject({ consent: z.string() }) })
    await until(async () => {
      const { webhook } = shape.parse(await (await mine.fetch(path, {})).json())
      return webhook.consent === 'given'
    })
    const paused = await mine.fetch(path, {
      method: 'PATCH',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ status: 'paused' }),
    })
    expect(shape.parse(await paused.json()).status).toBe('paused')
    const others = authFetchOf(party('who has not'))
    expect((await others.fetch(path, { method: 'DELETE' })).status).toBe(404)
    expect((await fetch(path)).status).toBe(401)
    expect((await mine.fetch(path, { method: 'DELETE' })).status).toBe(200)
    receiving.kill()
  }, 60_000)

  test('receive what is certified, once each', async () => {
    const bed = await openSubscriptionsBed()
    bed.time.pass(bed.time.behind())
    const port = String(await freePort())
    const made = await bed.ask('POST', '/overlay/subscriptions', {
      type: 'webhook',
      callbackUrl: `http://127.0.0.1:${port}/`,
      batchMax: 2,
    })
    const receiving = run('receiver', { WEBHOOK_SECRET: String(made.body['secret']), PORT: port })
    let said = ''
    receiving.stdout.setEncoding('utf8').on('data', part => {
      said += part
    })
    const ids = await bed.certify(3)
    const lines = () => said.split('\n').filter(line => line !== '')
    // As its consent is asked for again.
    const passing = setInterval(() => bed.time.pass(100), 20)
    await until(() => lines().length >= 3)
    clearInterval(passing)
    expect(lines()).toEqual(ids.map(id => `assay.event ${id}`))
    const id = String(Object(made.body['subscription']).subscriptionId)
    await bed.ask('POST', `/overlay/subscriptions/${id}/position`, { from: 'earliest' })
    await until(async () => (await bed.shown(id)).webhook?.delivered === 4)
    expect(lines()).toHaveLength(3)
    const gone = once(receiving, 'close')
    receiving.kill()
    await gone
    await bed.end()
    expect(bed.failures).toEqual([])
  }, 60_000)
})
