import type { IncomingMessage } from 'node:http'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { clientAddress, networksOf } from '../../../src/http/ingest/client-address.ts'
import { type IngestBed, openIngestBed, post } from '../../support/ingest-bed.ts'

const nobody = networksOf([])

function requestFrom(remoteAddress: string, forwardedFor?: string): IncomingMessage {
  const headers = forwardedFor === undefined ? {} : { 'x-forwarded-for': forwardedFor }
  return { socket: { remoteAddress }, headers } as unknown as IncomingMessage
}

describe('a network', () => {
  test.each([
    ['10.0.0.0/8', '10.1.2.3', true],
    ['10.0.0.0/8', '11.1.2.3', false],
    ['10.1.2.3', '10.1.2.3', true],
    ['10.1.2.3', '10.1.2.4', false],
    ['2001:db8::/32', '2001:db8:1::1', true],
    ['2001:db8::/32', '2001:db9::1', false],
    ['::ffff:10.0.0.0/104', '10.9.9.9', true],
    ['0.0.0.0/0', '2001:db8::1', false],
    ['10.0.0.0/33', '10.0.0.0', false],
    ['10.0.0.0/', '10.0.0.0', false],
    ['ten', '10.0.0.0', false],
  ])('%s holds %s: %s', (cidr, address, isIn) => {
    expect(networksOf([cidr])(address)).toBe(isIn)
  })
})

describe('the address of a client', () => {
  const proxies = networksOf(['10.0.0.0/8', '2001:db8::/32'])

  test('is its socket’s, whatever it says of itself', () => {
    expect(clientAddress(requestFrom('203.0.113.9', '10.0.0.1, 198.51.100.7'), proxies)).toBe('203.0.113.9')
    expect(clientAddress(requestFrom('10.0.0.1', '198.51.100.7'), nobody)).toBe('10.0.0.1')
  })

  test.each([
    ['the last one that a proxy of ours has seen', '6.6.6.6, 198.51.100.7', '198.51.100.7'],
    ['left of further proxies of ours', '6.6.6.6, 198.51.100.7, 10.0.0.9, 2001:db8::9', '198.51.100.7'],
    ['one with a port', '198.51.100.7:4711', '198.51.100.7'],
    ['one of version 6 with a port', '[2001:db9::7]:4711', '2001:db9::7'],
    ['one of version 4 in version 6', '::ffff:198.51.100.7', '198.51.100.7'],
    ['the same in hex', '::ffff:c633:6407', '198.51.100.7'],
    ['the first proxy, where there is nobody before it', '10.0.0.8', '10.0.0.8'],
  ])('behind a proxy is %s', (_, forwardedFor, address) => {
    expect(clientAddress(requestFrom('10.0.0.1', forwardedFor), proxies)).toBe(address)
    expect(clientAddress(requestFrom('::ffff:10.0.0.1', forwardedFor), proxies)).toBe(address)
  })

  test.each(['unknown', '198.51.100.7, _hidden', '198.51.100.7, 0x7f.1', '198.51.100.7, 1.2.3'])(
    'cannot be told from "%s"',
    forwardedFor => {
      expect(clientAddress(requestFrom('10.0.0.1', forwardedFor), proxies)).toBeUndefined()
    },
  )
})

describe('a door with networks of its own', () => {
  let bed: IngestBed
  let behindProxy: { url: string }
  beforeAll(async () => {
    bed = await openIngestBed({ settings: { allowlist: ['198.51.100.0/24'] } })
    behindProxy = await bed.another({
      settings: { allowlist: ['198.51.100.0/24'], trustedProxies: ['127.0.0.0/8'] },
    })
    bed.putSource({ sourceId: 'here', allowlist: ['198.51.100.7/32'] })
    bed.putSource({ sourceId: 'anywhere' })
  }, 60_000)
  afterAll(() => bed.end())

  const send = (url: string, sourceId: string, headers: Record<string, string>) =>
    post(`${url}/ingest/events`, { sourceId, events: [{ timestamp: 1, n: 1 }] }, headers)

  test('is not deceived by those who say where they come from', async () => {
    const spoofed = [
      { 'x-forwarded-for': '198.51.100.7' },
      { forwarded: 'for=198.51.100.7' },
      { 'x-real-ip': '198.51.100.7' },
    ]
    for (const headers of spoofed)
      expect(await send(bed.url, 'anywhere', headers)).toMatchObject({
        status: 403,
        body: { code: 'address-refused' },
      })
    const throughProxy = { 'x-forwarded-for': '198.51.100.7, 203.0.113.1' }
    expect(await send(behindProxy.url, 'anywhere', throughProxy)).toMatchObject({ status: 403 })
  })

  test('believes its own proxies', async () => {
    const headers = { 'x-forwarded-for': '6.6.6.6, 198.51.100.9' }
    expect((await send(behindProxy.url, 'anywhere', headers)).status).toBe(200)
  })

  test('hides a source from where it does not send from', async () => {
    const from = (address: string) => ({ 'x-forwarded-for': address })
    const [hidden, missing] = [
      await send(behindProxy.url, 'here', from('198.51.100.8')),
      await send(behindProxy.url, 'gone', from('198.51.100.8')),
    ]
    expect([hidden.status, hidden.body['error']]).toEqual([404, 'source-not-found-or-disabled'])
    const detail = String(hidden.body['detail']).replace('"here"', '"gone"')
    expect({ ...hidden.body, detail }).toEqual(missing.body)
    expect((await send(behindProxy.url, 'here', from('198.51.100.7'))).status).toBe(200)
  })
})
