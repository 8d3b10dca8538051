import { describe, expect, test } from 'vitest'
import { sha256Hex } from '#sha256'
import { concat, utf8 } from '../../../src/core/bytes.ts'
import { canonicalJson } from '../../../src/core/canonical-json.ts'
import type { Envelope } from '../../../src/core/event/envelope.ts'
import { eventLine } from '../../../src/core/event/line.ts'
import { qualityFlags } from '../../../src/core/event/quality-flags.ts'
import { orThrow } from '../../../src/core/fault.ts'
import { sealPacket } from '../../../src/core/log/packet.ts'
import { PACKET_BYTES_MAX, PACKET_EVENTS_MAX } from '../../../src/core/log/packet-header.ts'
import { type PolicySet, policyDigest } from '../../../src/core/policy/policy-set.ts'
import { readPolicySet } from '../../../src/core/policy/read-policy-set.ts'
import { certifyPacket } from '../../../src/core/work/certify-packet.ts'
import { OUTPUT_LINE_BYTES_MAX, outputBounds, quarantineEntry } from '../../../src/core/work/stage-output.ts'
import { envelope } from '../policy/examples.ts'

const log = '02c6047f9441ed7d6d3045406e95c07cd85c778e4b8cef3ca7abac09b95c709ee5'
const policySet = orThrow(readPolicySet({ v: 1 }))
const lineOf = (event: Envelope) => orThrow(eventLine(event, {}))
const joined = (lines: readonly string[]) => utf8(lines.map(line => `${line}\n`).join(''))

function sealed(events: readonly Envelope[], set: PolicySet) {
  const count = events.length
  const times = events.map(event => event.eventTimeMs)
  const place = { partition: 0, policyDigest: policyDigest(set) }
  const counts = { duplicate: 0, rejected: 0, quarantined: 0, waived: 0 }
  return orThrow(
    sealPacket(
      {
        v: 1,
        log,
        streamId: 'meters',
        partition: 0,
        level: 'basic',
        audience: 'public',
        network: 'local',
        shards: { by: 'key', index: 0, count: 1 },
      },
      null,
      [
        {
          ...place,
          firstSeq: 0,
          count,
          constants: {},
          firstEventTimeMs: Math.min(...times),
          lastEventTimeMs: Math.max(...times),
          sources: [{ sourceId: 's', authenticated: 'none' }],
          lines: joined(events.map(lineOf)),
        },
      ],
      {
        ...place,
        upToSeq: count,
        watermarkMs: 0,
        rosterDigest: '0'.repeat(64),
        totals: { received: count, accepted: count, ...counts },
      },
    ),
  )
}

function certify(events: readonly Envelope[], output: Uint8Array, set = policySet) {
  const { header, bytes } = sealed(events, set)
  return certifyPacket(header, bytes, set, { parent: null, stateIn: null }, { bytes: output, stateOut: null })
}

describe('a certified packet', () => {
  const events = [0, qualityFlags.LATE, 0].map((flags, i) =>
    envelope({}, { ingestTimeMs: 1_700_000_000_000 - i, qualityFlags: flags }),
  )

  test('counts what became of its events in the output itself', () => {
    const [, late, bad] = events.map(lineOf)
    const entry = canonicalJson(quarantineEntry(envelope({}), ['x'], false))
    const output = joined([entry, late ?? '', bad ?? '', '{"fused":true}'])
    const { manifest } = orThrow(certify(events, output))
    expect(manifest).toMatchObject({
      content: { contentHash: sha256Hex(output), count: 4 },
      provenance: {
        assay: { outcome: { lines: 3, quarantined: 1, fused: 1, late: 1 } },
        createdAt: '2023-11-14T22:13:20.000Z',
      },
    })
  })

  test('is refused where the output leaves a line unanswered', () => {
    expect(certify(events, joined(events.slice(1).map(lineOf))).ok).toBe(false)
  })

  test('is refused where its policy says what no manifest may, so that those beside it are certified', () => {
    const set = orThrow(readPolicySet({ v: 1, license: 'a\0b' }))
    expect(certify(events, joined(events.map(lineOf)), set)).toMatchObject({
      ok: false,
      fault: { code: 'manifest-invalid', pointer: '/policy/license' },
    })
  })

  test('is refused where its time cannot be written', () => {
    const late = envelope({}, { ingestTimeMs: 253_402_300_800_000 })
    expect(certify([late], joined([lineOf(late)]))).toMatchObject({
      ok: false,
      fault: { code: 'manifest-invalid' },
    })
  })
})

describe('an output may be larger than a packet:', () => {
  test('by the fused records after the lines', () => {
    const fused = Array.from({ length: PACKET_EVENTS_MAX }, () => '{"fused":true}')
    const { manifest } = orThrow(certify([envelope({})], joined([lineOf(envelope({})), ...fused])))
    expect(manifest.content.count).toBe(PACKET_EVENTS_MAX + 1)
  })

  test('by what the policy adds to its lines', () => {
    const bare = lineOf(envelope(''))
    const wide = bare.replace(
      '"payload":""',
      `"payload":"${'y'.repeat(OUTPUT_LINE_BYTES_MAX - bare.length)}"`,
    )
    const events = Array.from({ length: 9 }, () => envelope(''))
    const output = joined(Array.from({ length: 9 }, () => wide))
    expect(output.length).toBeGreaterThan(PACKET_BYTES_MAX)
    expect(orThrow(certify(events, output)).manifest.content.count).toBe(9)
  })

  test('but not without end', () => {
    const tooMany = concat(joined([lineOf(envelope({}))]), utf8('0\n'.repeat(outputBounds.linesMax)))
    expect(certify([envelope({})], tooMany)).toMatchObject({ ok: false, fault: { code: 'packet-invalid' } })
  })
})
