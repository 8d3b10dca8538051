import { spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openSubscriptionsBed, type SubscriptionsBed } from '../support/subscriptions-bed.ts'
import { until } from '../support/until.ts'
import { eventsTaken, ok } from '../support/webhook-receiver.ts'

let bed: SubscriptionsBed
const ending: (() => Promise<unknown>)[] = []
beforeAll(async () => {
  // Takes requests, and leaves delivering to the processes that are killed.
  bed = await openSubscriptionsBed({ WEBHOOKS_HELD_MAX: '0' })
})
afterAll(async () => {
  for (const end of ending) await end()
  await bed.end()
  expect(bed.failures).toEqual([])
})

describe('two processes that deliver', () => {
  test('go on one after the other when one is killed in the middle, and nothing is missing', async () => {
    const first = await deliverer()
    const receiver = await bed.receiver()
    const { id } = await bed.webhook(receiver)
    const second = await deliverer()
    // Nobody knows what became of the second one: its process dies while it waits for the answer.
    receiver.answers = () => (receiver.deliveries.length === 2 ? 'never' : ok)
    const owed = await bed.certify(3)
    await until(() => receiver.deliveries.length === 2)
    await first.kill()
    owed.push(...(await bed.certify(2)))
    await until(() => eventsTaken(receiver).length >= 6)
    const [, unanswered, again] = receiver.deliveries
    expect([again?.webhookId, again?.body]).toEqual([unanswered?.webhookId, unanswered?.body])
    expect([...new Set(eventsTaken(receiver))]).toEqual(owed)
    await until(async () => (await bed.shown(id)).webhook?.delivered === 5)
    await second.kill()
  }, 60_000)
})

async function deliverer(): Promise<{ kill(): Promise<void> }> {
  const program = path.join(import.meta.dirname, 'subscriptions-process.ts')
  const child = spawn(
    process.execPath,
    ['--conditions=source', '--import', 'tsx', program, bed.url, bed.directory],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  const gone = once(child, 'close')
  const kill = async () => {
    child.kill('SIGKILL')
    await gone
  }
  ending.push(kill)
  await once(child.stdout, 'data')
  return { kill }
}
