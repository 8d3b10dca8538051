import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { sweep, sweepBounds } from '../../../src/adapters/uhrp/sweep.ts'
import { until } from '../../support/until.ts'
import { auditFuel } from '../fuel/audit-fuel.ts'
import { type CertificatesBed, certificatesBed } from './certificates-bed.ts'

const beds: CertificatesBed[] = []
afterEach(async () => {
  for (const each of beds.splice(0)) await each.close()
})

/** One after the other, each in a process of its own that goes on from where the one before was killed. */
const crashPoints = [
  'certify.taken',
  'certify.kept',
  'certify.kept:2',
  'certify.written',
  'certify.seen',
  'certify.anchored',
  'certify.proven',
]

describe('processes that are killed at every step of a certificate', () => {
  test('leave one certificate, with one txid, and everything that it points at', {
    timeout: 90_000,
  }, async () => {
    const bed = await certificatesBed()
    beds.push(bed)
    await bed.fill()
    const stopMining = { stop: async () => undefined as unknown }
    const { pool } = bed.bed.database
    const { round } = await bed.decide()
    const url = String(pool.options.connectionString)
    for (const point of crashPoints) {
      if (point === 'certify.proven') stopMining.stop = bed.bed.chain.startMiner({ intervalMs: 20 })
      const child = spawn(
        process.execPath,
        [
          '--conditions=source',
          '--import',
          'tsx',
          join(import.meta.dirname, 'certify-process.ts'),
          url,
          bed.directory,
        ],
        { stdio: ['ignore', 'ignore', 'inherit'], env: { ...process.env, ASSAY_CRASH_AT: point } },
      )
      const [, signal] = await once(child, 'exit')
      expect([point, signal]).toEqual([point, 'SIGKILL'])
      // What was kept for a certificate that is not written yet is nobody's rubbish.
      await sweep({
        pool,
        folder: bed.content.folder,
        bounds: sweepBounds,
        now: Date.now,
        onSwept: () => undefined,
      })
    }
    bed.start()
    await until(async () => (await bed.rows(`select from packet_states where state = 'proven'`)).length === 2)
    await stopMining.stop()
    const certificates = await bed.rows('select txid, state from certificates')
    expect(certificates.map(({ state }) => state)).toEqual(['proven', 'proven'])
    expect(new Set(certificates.map(({ txid }) => txid)).size).toBe(1)
    expect(await bed.rows(`select from fuel_transactions where stage = 'certificate'`)).toHaveLength(1)
    for (const { validated } of round.packets) {
      const opened = await bed.content.open(validated.outputHash, 'anybody')
      expect(opened.kind).toBe('open')
      if (opened.kind === 'open') await opened.object.file.close()
    }
    expect(await auditFuel(pool)).toEqual([])
  })
})
