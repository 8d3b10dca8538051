import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Json } from '../../src/core/canonical-json.ts'
import type { ItemAnswer } from '../../src/ingest/arrived.ts'
import { logPayloads } from '../../src/node/log-payloads.ts'
import { openLog } from '../../src/runtime/log.ts'
import { readSettings } from '../../src/runtime/settings.ts'
import { arrivedWith, type LogBed, openLogBed, sampleSource } from '../support/log-bed.ts'
import { publishedRows } from '../support/published.ts'

const planted = (n: number) => `planted-secret-${n}`
const blindKey = new Uint8Array(32).fill(7)
const everywhere = { ...sampleSource, streams: ['readings', 'closed'] as const }

let bed: LogBed
let answers: readonly ItemAnswer[]
const logged: string[] = []
beforeAll(async () => {
  bed = await openLogBed()
  await bed.putStream({ streamId: 'closed', audience: 'restricted', blindKey })
  answers = [
    ...(await send('readings', [
      item(90),
      item(1, { provenance: { policyTags: ['PII'] } }),
      item(2, { provenance: { classification: 'CONFIDENTIAL' } }),
      item(3, { provenance: { classification: 'TOP_SECRET', policyTags: [] } }),
      item(4, { metadata: { version: 7 } }),
      item(5, { timestamp: 'yesterday' }),
      { ...Object(item(6)), data: { text: planted(6), unsafe: 2 ** 60 } },
    ])),
    ...(await send('closed', [
      item(20, { provenance: { policyTags: ['PII'], classification: 'SECRET' } }),
      item(21),
    ])),
  ]
})
afterAll(() => bed.end())

function item(n: number, more: { readonly [key: string]: Json } = {}): Json {
  return {
    id: `e-${n}`,
    type: 'reading',
    source: 'sensor-1',
    timestamp: bed.clock.ms,
    data: { text: planted(n) },
    ...more,
  }
}

async function send(streamId: string, items: readonly Json[], env: Readonly<Record<string, string>> = {}) {
  const settings = readSettings({ LOG_LEVEL: 'debug', ...env })
  const log = openLog(settings.LOG_LEVEL, { write: line => void logged.push(line) })
  const accept = logPayloads(bed.accept, settings, log)
  const arrived = arrivedWith(items, { source: everywhere, streamId, receivedMs: bed.clock.ms })
  const outcome = await accept(arrived)
  return outcome.kind === 'answered' ? outcome.items : []
}

describe('what asks for less than the audience of its stream', () => {
  test('is held, and stands in nothing that strangers see', async () => {
    expect(answers.slice(1, 4).map(({ status }) => status)).toEqual(Array(3).fill('quarantined'))
    for (const [where, text] of await publishedRows(bed.database.pool))
      for (const n of [1, 2, 3]) expect(text, where).not.toContain(planted(n))
  })

  test('of a restricted stream neither, nor its id', async () => {
    const closed = answers.slice(-2).map(answer => (answer.status === 'accepted' ? answer.eventId : ''))
    for (const [where, text] of await publishedRows(bed.database.pool)) {
      expect(text, where).not.toMatch(/planted-secret-2\d/)
      for (const eventId of closed) {
        expect(eventId).toHaveLength(64)
        expect(text, where).not.toContain(eventId)
      }
    }
  })

  test('is blinded in every line, so that no leaf can be guessed', async () => {
    const { rows } = await bed.database.pool.query<{ lines: string; audience: string }>(
      `select convert_from(lines, 'UTF8') as lines, audience from segments join partitions on id = partition_id
        where count > 0`,
    )
    for (const { lines, audience } of rows)
      for (const line of lines.trimEnd().split('\n'))
        expect(/"blind":"[0-9a-f]{64}"/.test(line)).toBe(audience === 'restricted')
    expect(rows.map(({ audience }) => audience).sort()).toEqual(['public', 'restricted'])
  })
})

describe('what a sender is answered', () => {
  test('never repeats what was sent', () => {
    expect(new Set(answers.map(({ status }) => status))).toContain('rejected')
    expect(JSON.stringify(answers)).not.toContain('planted')
  })
})

describe('the log file', () => {
  test('has no payload, however much is logged', () => {
    expect(logged.join('')).not.toContain('planted')
  })

  test('has payloads where somebody has asked for them, and says that it does', async () => {
    const before = logged.length
    await send('readings', [item(8)], { LOG_PAYLOADS: 'true', LOG_LEVEL: 'debug' })
    const lines = logged.splice(before).join('')
    expect(lines).toContain(planted(8))
    expect(lines).toContain('LOG_PAYLOADS is on')
  })

  test('has none where they were asked for without debug', async () => {
    const before = logged.length
    await send('readings', [item(9)], { LOG_PAYLOADS: 'true', LOG_LEVEL: 'info' })
    const lines = logged.splice(before).join('')
    expect(lines).not.toContain('planted')
    expect(lines).toContain('LOG_PAYLOADS does nothing')
  })
})
