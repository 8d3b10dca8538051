import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openOutgoing } from '../../../src/adapters/outgoing/outgoing.ts'
import { postToPeer } from '../../../src/adapters/overlay/post-to-peer.ts'
import { orThrow } from '../../../src/core/fault.ts'
import { type OverlayBed, overlayBed } from '../../support/overlay-bed.ts'
import { overlayHost, serve } from '../../support/overlay-host.ts'
import { roundOnBed } from '../../support/round-on-bed.ts'
import { until } from '../../support/until.ts'

describe('who has a certificate', () => {
  let bed: OverlayBed
  const ends: (() => Promise<void>)[] = []
  beforeEach(async () => {
    bed = await overlayBed()
  })
  afterEach(async () => {
    for (const end of ends.splice(0)) await end()
    await bed.close()
  })

  test('is this host, and every other one whose STEAK says that it has admitted it', async () => {
    const other = await overlayHost({ chain: bed.chain })
    const [nothing, noSteak] = [await answering('{}'), await answering('taken')]
    ends.push(other.end)
    const overlay = bed.open({
      peers: [other.url, nothing, noSteak],
      post: postToPeer(openOutgoing({ network: 'local', isVouchedFor: true })),
    })
    const round = await roundOnBed(bed)
    for (const { beef, topics } of round.steps) orThrow(await overlay.submit({ beef, topics }))
    const certificate = round.steps.at(-1)?.transaction.txid ?? ''
    expect(await hostsOf(certificate)).toEqual({ count: 1, others: [] })

    await overlay.start()
    await until(async () => (await bed.database.pool.query('select from outbox')).rowCount === 0)
    expect(await hostsOf(certificate)).toEqual({ count: 2, others: [other.url] })
    // Of jobs and results nobody asks.
    expect((await bed.database.pool.query('select from certificate_hosts')).rowCount).toBe(1)
    await overlay.evict(certificate, 'a test takes it away')
    expect(await hostsOf(certificate)).toEqual({ count: 0, others: [] })
  })

  async function answering(body: string): Promise<string> {
    const server = await serve((request, response) => {
      request.resume().on('end', () => response.writeHead(200).end(body))
    })
    ends.push(server.stop)
    return server.url
  }

  async function hostsOf(txid: string) {
    const { rows } = await bed.database.pool.query<{ count: number; others: string[] }>(
      `select certificate_host_count(decode($1, 'hex')) as count,
          array(select host from certificate_hosts where txid = decode($1, 'hex')) as others`,
      [txid],
    )
    return rows[0]
  }
})
