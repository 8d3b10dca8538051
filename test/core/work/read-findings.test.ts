import { expect, test } from 'vitest'
import { utf8 } from '../../../src/core/bytes.ts'
import { canonicalJson } from '../../../src/core/canonical-json.ts'
import { qualityFlags } from '../../../src/core/event/quality-flags.ts'
import { readFindings } from '../../../src/core/work/read-findings.ts'

const id = (n: number) => `${n}`.repeat(64)
const event = (flags: number) => canonicalJson({ eventId: id(1), payload: {}, qualityFlags: flags })
const record = {
  fused: true,
  chosen: id(1),
  from: [{ eventId: id(1), sourceId: 'a', eventTimeMs: 1 }],
  overruled: [{ eventId: id(2), sourceId: 'b', eventTimeMs: 2, reason: 'disagrees' }],
  qualityFlags: qualityFlags.SOURCE_DIVERGENCE,
  // Comes behind the flags, and is whatever a source has sent.
  value: { qualityFlags: 0 },
}
const findings = (count: number, ...lines: string[]) =>
  readFindings(utf8(lines.map(line => `${line}\n`).join('')), count)

test('counts events and records that say that sources differ, and names who was overruled why', () => {
  const { SOURCE_DIVERGENCE, LATE } = qualityFlags
  const lines = [event(LATE), event(SOURCE_DIVERGENCE | LATE), canonicalJson(record)]
  expect(findings(2, ...lines)).toEqual({
    divergences: 2,
    fused: [
      {
        chosen: id(1),
        observations: [
          { eventId: id(1), sourceId: 'a', reason: null },
          { eventId: id(2), sourceId: 'b', reason: 'disagrees' },
        ],
      },
    ],
  })
})

test('takes nothing from lines that are no records, whoever agreed on them', () => {
  const strange = [
    'not JSON',
    '7',
    canonicalJson({ ...record, chosen: 'me' }),
    canonicalJson({ ...record, from: [{ eventId: id(1), sourceId: 'a\0b' }] }),
    canonicalJson({ ...record, overruled: [{ eventId: id(1), sourceId: 'a', reason: 'why not' }] }),
  ]
  expect(findings(0, ...strange)).toEqual({ divergences: 0, fused: [] })
  expect(readFindings(Uint8Array.of(0xff, 0x0a), 1)).toEqual({ divergences: 0, fused: [] })
})
