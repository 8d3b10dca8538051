import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { until } from '../support/until.ts'
import { type Link, openLink } from './link.ts'

let arrived = 0
const server = createServer((_, response) => {
  arrived += 1
  response.end('x'.repeat(100_000))
})
let link: Link
beforeAll(async () => {
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  link = await openLink((server.address() as AddressInfo).port)
})
afterAll(async () => {
  await link.close()
  server.closeAllConnections()
  server.close()
})

const ask = async () => (await (await fetch(link.url)).text()).length

describe('a link', () => {
  test('passes what goes over it', async () => {
    expect(await ask()).toBe(100_000)
  })

  test('that is cut lets nothing through, and does again', async () => {
    link.behave({ kind: 'is cut' })
    const before = arrived
    await expect(ask()).rejects.toThrow()
    expect(arrived).toBe(before)
    link.behave({ kind: 'passes' })
    expect(await ask()).toBe(100_000)
  })

  test('that loses answers lets the question through', async () => {
    link.behave({ kind: 'loses answers' })
    const before = arrived
    await expect(ask()).rejects.toThrow()
    expect(arrived).toBeGreaterThan(before)
    link.behave({ kind: 'passes' })
  })

  test('that swallows holds things up until it does not any more', async () => {
    link.behave({ kind: 'swallows' })
    const before = arrived
    const asked = ask()
    await new Promise(resolve => setTimeout(resolve, 100))
    expect(arrived).toBe(before)
    link.behave({ kind: 'passes' })
    expect(await asked).toBe(100_000)
    await until(() => arrived === before + 1)
  })

  test.each([
    { kind: 'delays', ms: 20 },
    { kind: 'throttles', bytesPerSecond: 2_000_000 },
  ] as const)('that $kind lets everything through', async manner => {
    link.behave(manner)
    expect(await ask()).toBe(100_000)
    link.behave({ kind: 'passes' })
  })
})
