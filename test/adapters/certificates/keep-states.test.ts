import { afterEach, describe, expect, test } from 'vitest'
import { keepStates } from '../../../src/adapters/certificates/keep-states.ts'
import { sha256Hex } from '../../../src/core/sha256.node.ts'
import { sampleEvent } from '../../support/certified-round.ts'
import { type CertificatesBed, certificatesBed } from './certificates-bed.ts'

const beds: CertificatesBed[] = []
afterEach(async () => {
  for (const each of beds.splice(0)) await each.close()
})

const HOUR_MS = 3_600_000
const states = ['a', 'b', 'c'].map(name => sha256Hex(`state ${name}`))
const [a = '', b = '', c = ''] = states
const certificate = '77'.repeat(32)

describe('states that a partition has passed', () => {
  test('are let go of but for the latest, and one that comes again is kept again', async () => {
    const bed = await certificatesBed()
    beds.push(bed)
    await bed.decide({ events: Array.from({ length: 4 }, (_, i) => [sampleEvent(i)]) })
    await bed.rows(`update packet_standings set status = 'certified', version_id = packet_id`)
    await stored(bed)
    await leaves(bed, 0, a, 1_000)
    expect(await endsOf(bed)).toEqual({ [a]: false, [b]: false, [c]: false })
    await leaves(bed, 1, b, 2_000)
    await leaves(bed, 2, c, 3_000)
    // The one of packet 0 stays for good, and that of packet 1 is nobody's any more.
    expect(await endsOf(bed)).toEqual({ [a]: false, [b]: 3_000 + HOUR_MS, [c]: false })
    await leaves(bed, 3, b, 4_000)
    expect(await endsOf(bed)).toEqual({ [a]: false, [b]: false, [c]: 4_000 + HOUR_MS })
  })

  test('are kept where a packet that was passed by builds on one, until that is certified too', async () => {
    const bed = await certificatesBed()
    beds.push(bed)
    await bed.decide({ events: Array.from({ length: 5 }, (_, i) => [sampleEvent(i)]) })
    await bed.rows(
      `update packet_standings set status = 'certified', version_id = packet_id where packet_no <= 1`,
    )
    await stored(bed)
    await leaves(bed, 1, a, 1_000)
    await bed.rows(`update packet_standings set status = 'split', round_id = null where packet_no in (2, 3)`)
    await bed.rows(
      `update packet_standings set status = 'certified', version_id = packet_id where packet_no = 4`,
    )
    await leaves(bed, 4, b, 2_000)
    expect(await endsOf(bed)).toEqual({ [a]: false, [b]: false, [c]: false })
    // The second of them is taken up again, and waits for its round while others are certified.
    await bed.rows(`update packet_standings set status = 'sealed' where packet_no = 3`)
    await leaves(bed, 4, b, 3_000)
    expect(await endsOf(bed)).toEqual({ [a]: false, [b]: false, [c]: false })
    await bed.rows(
      `update packet_standings set status = 'certified', version_id = packet_id where packet_no = 3`,
    )
    await leaves(bed, 3, c, 4_000)
    expect(await endsOf(bed)).toEqual({ [a]: false, [b]: false, [c]: 4_000 + HOUR_MS })
    await bed.rows(
      `update packet_standings set status = 'certified', version_id = packet_id where packet_no = 2`,
    )
    await leaves(bed, 2, c, 5_000)
    expect(await endsOf(bed)).toEqual({ [a]: 5_000 + HOUR_MS, [b]: false, [c]: 5_000 + HOUR_MS })
  })
})

/** As certifying leaves them, before their certificate. */
async function stored(bed: CertificatesBed): Promise<void> {
  for (const state of states) {
    await bed.rows(`insert into uhrp_objects values (decode($1, 'hex'), 7, 'held', 0)`, state)
    await bed.rows(
      `insert into uhrp_retentions (sha256, holder, audience, readers, content_type, stored_ms, retain_until_ms)
        values (decode($1, 'hex'), 'node states', 'public', '{}', 'text/plain', 0, 253402214400000)`,
      state,
    )
  }
}

/** A packet is certified with this state behind it. */
async function leaves(bed: CertificatesBed, packetNo: number, state: string, nowMs: number): Promise<void> {
  const [row] = await bed.rows(
    `update packet_standings set state_out = decode($1, 'hex'), certificate = decode($2, 'hex') where packet_no = $3
      returning packet_id`,
    ...[state, certificate, packetNo],
  )
  await keepStates(bed.bed.database.pool, certificate, [String(row?.['packet_id'])], nowMs)
}

/** When each goes; false where it stays. */
async function endsOf(bed: CertificatesBed): Promise<Record<string, unknown>> {
  const rows = await bed.rows(
    `select sha256, retain_until_ms from uhrp_retentions where holder = 'node states'`,
  )
  return Object.fromEntries(
    rows.map(({ sha256, retain_until_ms: endMs }) => [sha256, endMs === 253_402_214_400_000 ? false : endMs]),
  )
}
