import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { sha256Hex } from '#sha256'
import { concat, fromUtf8, toHex, utf8 } from '../../../src/core/bytes.ts'
import { canonicalJson, type Json } from '../../../src/core/canonical-json.ts'
import { digestHex } from '../../../src/core/digest.ts'
import type { Envelope } from '../../../src/core/event/envelope.ts'
import { eventLine, type LineConstants } from '../../../src/core/event/line.ts'
import { qualityFlags } from '../../../src/core/event/quality-flags.ts'
import { faultCodes, orThrow } from '../../../src/core/fault.ts'
import { hashLines } from '../../../src/core/log/packet.ts'
import type { PacketHeader } from '../../../src/core/log/packet-header.ts'
import { merkleRoot } from '../../../src/core/merkle.ts'
import { compileSource } from '../../../src/core/policy/normalize-event.ts'
import { type PolicySet, policyDigest, sourcePolicyOf } from '../../../src/core/policy/policy-set.ts'
import { readPolicySet } from '../../../src/core/policy/read-policy-set.ts'
import { normalizePacket } from '../../../src/core/work/normalize-packet.ts'
import {
  BRIEF_LINE_BYTES_MAX,
  ISSUES_LISTED_MAX,
  OUTPUT_FULL_BYTES_MAX,
  OUTPUT_LINE_BYTES_MAX,
  outcomeLeaf,
  outputBounds,
  readOutputLine,
} from '../../../src/core/work/stage-output.ts'
import { anyPayload, anySourcePolicy, envelope } from '../policy/examples.ts'

const constants: LineConstants = { streamId: 'meters', domain: 'energy', schemaVersion: 1 }
const policyOf = (source: Json) => orThrow(readPolicySet({ v: 1, sources: { '*': source } }))

function packetOf(events: readonly Envelope[], set: PolicySet): { header: PacketHeader; bytes: Uint8Array } {
  return rawPacket(
    utf8(events.map(event => `${orThrow(eventLine(event, constants))}\n`).join('')),
    events.length,
    set,
    events,
  )
}

/** The header tells the truth about the bytes, and about `events` where they can be read. */
function rawPacket(
  bytes: Uint8Array,
  count: number,
  set: PolicySet,
  events: readonly Envelope[] = [],
): { header: PacketHeader; bytes: Uint8Array } {
  const leaves = hashLines(bytes)
  const times = events.map(event => event.eventTimeMs)
  const header: PacketHeader = {
    v: 1,
    log: `02${'a'.repeat(64)}`,
    streamId: 'meters',
    partition: 0,
    level: 'basic',
    audience: 'public',
    packetNo: 0,
    firstSeq: 0,
    count,
    root: leaves.ok ? toHex(merkleRoot(leaves.value)) : '0'.repeat(64),
    bytes: bytes.length,
    rawHash: sha256Hex(bytes),
    previous: null,
    firstEventTimeMs: times.length === 0 ? null : Math.min(...times),
    lastEventTimeMs: times.length === 0 ? null : Math.max(...times),
    watermarkMs: 0,
    policyDigest: policyDigest(set),
    rosterDigest: '0'.repeat(64),
    totals: { received: count, accepted: count, duplicate: 0, rejected: 0, quarantined: 0, waived: 0 },
    sources: [...new Set(events.map(event => event.sourceId))]
      .sort()
      .map(sourceId => ({ sourceId, authenticated: 'none' })),
    constants,
    network: 'local',
  }
  return { header, bytes }
}

function normalized(events: readonly Envelope[], source: Json) {
  const set = policyOf(source)
  const { header, bytes } = packetOf(events, set)
  const output = orThrow(normalizePacket(header, bytes, set))
  return { ...output, text: (fromUtf8(output.bytes) ?? '').split('\n').slice(0, -1) }
}

describe('a normalised packet', () => {
  test('answers line i in line i', () => {
    const { text } = normalized(
      [envelope({ t: '1' }), envelope({ t: 'x' }), envelope({}), envelope({ t: '4' })],
      { coerce: { t: 'number' }, required: ['t'], severity: { 'required-missing': 'reject' } },
    )
    const good = (payload: Json) => orThrow(eventLine(envelope(payload), constants))
    const entry = { eventId: 'e'.repeat(64), qualityFlags: 0x101, quarantined: true, sourceId: 's' }
    expect(text).toEqual([
      good({ t: 1 }),
      canonicalJson({ ...entry, issues: ['coercion-NaN:t:x'] }),
      canonicalJson({ ...entry, issues: ['required-missing:t'], rejected: true }),
      good({ t: 4 }),
    ])
  })

  test('never lets the value of an invalid event through as a result', () => {
    const { text } = normalized([envelope({ secret: 'hunter2' })], { required: ['id'] })
    expect(text.join()).not.toContain('hunter2')
  })

  test('lists what was found about an event that goes on, and keeps the flags it came with', () => {
    const { text } = normalized([envelope({ t: 'x' }, { qualityFlags: qualityFlags.LATE })], {
      coerce: { t: 'number' },
      severity: { 'coercion-NaN': 'flag' },
    })
    expect(readOutputLine(text[0] ?? '', constants)).toEqual({
      ok: true,
      value: {
        kind: 'event',
        event: envelope({ t: 'x' }, { qualityFlags: qualityFlags.LATE | qualityFlags.INVALID_SCHEMA }),
        issues: ['coercion-NaN:t:x'],
      },
    })
  })

  test('lists so many issues and counts the rest', () => {
    const fields = Array.from({ length: ISSUES_LISTED_MAX + 3 }, (_, i) => `f${i}`)
    const { text } = normalized([envelope({})], { required: fields })
    const read = orThrow(readOutputLine(text[0] ?? '', constants))
    expect(read.kind === 'quarantined' && read.entry.issues.at(-1)).toBe('issues-omitted::3')
    expect(read.kind === 'quarantined' && read.entry.issues.length).toBe(ISSUES_LISTED_MAX + 1)
  })

  test('is named by the SHA-256 of its bytes, and its leaf binds that to the packet', () => {
    const { bytes, outputHash, stateOut } = normalized([envelope({})], {})
    expect(outputHash).toBe(sha256Hex(bytes))
    expect(stateOut).toBeNull()
    const packetId = 'ab'.repeat(32)
    const state = 'cd'.repeat(32)
    const raw = (hex: string) => Uint8Array.from(Buffer.from(hex, 'hex'))
    expect(outcomeLeaf(packetId, outputHash, null)).toBe(
      digestHex('assay:outcome:1', raw(packetId), raw(outputHash), new Uint8Array(0)),
    )
    expect(outcomeLeaf(packetId, outputHash, state)).toBe(
      digestHex('assay:outcome:1', raw(packetId), raw(outputHash), raw(state)),
    )
  })

  test('of no events is empty', () => {
    expect(normalized([], {})).toMatchObject({ text: [], outputHash: sha256Hex('') })
  })

  test('can be read by the next stage, whatever the policy and the events', () => {
    fc.assert(
      fc.property(anySourcePolicy, fc.array(anyPayload, { maxLength: 4 }), (source, payloads) => {
        const set = readPolicySet({ v: 1, sources: { s: source } })
        if (!set.ok) return
        const { header, bytes } = packetOf(
          payloads.map(payload => envelope(payload)),
          set.value,
        )
        const output = orThrow(normalizePacket(header, bytes, set.value))
        const lines = (fromUtf8(output.bytes) ?? '').split('\n').slice(0, -1)
        expect(lines.length).toBe(payloads.length)
        const normalize = compileSource(sourcePolicyOf(set.value, 's'))
        for (const [i, line] of lines.entries()) {
          const read = orThrow(readOutputLine(line, constants))
          const { payload, issues, flags } = normalize(envelope(payloads[i] ?? null))
          if (read.kind === 'event') expect(read.event.payload).toEqual(payload)
          expect(read.kind === 'event' ? read.issues : read.entry.issues).toEqual(
            issues.map(issue => issue.text),
          )
          expect(read.kind === 'event' ? read.event.qualityFlags : read.entry.qualityFlags).toBe(flags)
        }
      }),
      { numRuns: 300 },
    )
  })
})

describe('an output has a bound, and an event that finds no room is set aside:', () => {
  const entryOf = (sent: Envelope, issue: string) =>
    canonicalJson({
      eventId: sent.eventId,
      issues: [issue],
      qualityFlags: qualityFlags.QUARANTINED,
      quarantined: true,
      sourceId: sent.sourceId,
    })

  test('where its own line is too long', () => {
    const copies = { a: 'x', b: 'x', c: 'x', d: 'x' }
    const sourceId = '\u0001'.repeat(256)
    const wide = envelope({ x: 'y'.repeat(OUTPUT_LINE_BYTES_MAX / 4 - 20) }, { sourceId })
    const { text } = normalized([wide, envelope({ x: 'y' })], { map: copies })
    expect(text[0]).toBe(entryOf(wide, 'output-too-large::line'))
    expect(utf8(text[0] ?? '').length).toBeLessThan(BRIEF_LINE_BYTES_MAX)
    expect(text[1]).toBe(orThrow(eventLine(envelope({ a: 'y', b: 'y', c: 'y', d: 'y' }), constants)))
  })

  test('counted in bytes, not in characters', () => {
    const copies = { a: 'x', b: 'x', c: 'x', d: 'x' }
    const wide = envelope({ x: '€'.repeat(OUTPUT_LINE_BYTES_MAX / 12) })
    expect(normalized([wide], { map: copies }).text).toEqual([entryOf(wide, 'output-too-large::line')])
  })

  test('where what a policy adds to small events fills it, and so is every event after that', () => {
    const large = 'z'.repeat(900_000)
    const { text, bytes } = normalized(
      Array.from({ length: 90 }, () => envelope({})),
      { constants: { large } },
    )
    const full = orThrow(eventLine(envelope({ large }), constants))
    const goOn = Math.floor(OUTPUT_FULL_BYTES_MAX / (full.length + 1))
    expect(text.filter(line => line === full).length).toBe(goOn)
    expect(text.slice(goOn)).toEqual(
      Array.from({ length: 90 - goOn }, () => entryOf(envelope({}), 'output-too-large::packet')),
    )
    expect(bytes.length).toBeLessThanOrEqual(outputBounds.bytesMax)
  })

  test('and reasons to set it aside that would fill it give way, but not their verdict', () => {
    const fields = Array.from({ length: 64 }, (_, i) => 'f'.repeat(500) + i)
    const { text, bytes } = normalized(
      Array.from({ length: 2_200 }, () => envelope({})),
      { required: fields, severity: { 'required-missing': 'reject' } },
    )
    expect(bytes.length).toBeLessThanOrEqual(OUTPUT_FULL_BYTES_MAX + 1024 * 1024)
    expect(JSON.parse(text.at(-1) ?? '')).toMatchObject({
      issues: ['output-too-large::packet'],
      rejected: true,
    })
  })
})

describe('a packet is refused as a whole', () => {
  const set = policyOf({})
  const { header, bytes } = packetOf([envelope({ a: 1 }), envelope({ a: 2 })], set)
  const line = orThrow(eventLine(envelope({}), constants))

  test.each<[string, PacketHeader, Uint8Array]>([
    ['under another policy set', { ...header, policyDigest: '0'.repeat(64) }, bytes],
    ['with a bit turned', header, bytes.with(40, 0)],
    ['cut short', header, bytes.slice(0, -1)],
    ['with another count', { ...header, count: 3 }, bytes],
  ])('%s', (_, given, lines) => {
    expect(normalizePacket(given, lines, set).ok).toBe(false)
  })

  test.each([
    ['that is not UTF-8', concat(Uint8Array.of(0xff), utf8('\n'))],
    ['without its last newline', utf8(line)],
    ['with a line that is not canonical', utf8(`${line.replace('{', '{ ')}\n`)],
    ['with a line that repeats a constant', utf8(`${canonicalJson(envelope({}))}\n`)],
    ['with a line that is no event', utf8('{}\n')],
    ['with an empty line', utf8('\n')],
    ['with more lines than it counts', utf8(`${line}\n${'\n'.repeat(70_000)}`)],
    ['with a byte order mark', utf8(`\ufeff${line}\n`)],
  ])('%s', (_, lines) => {
    const given = rawPacket(lines, 1, set)
    expect(normalizePacket(given.header, given.bytes, set).ok).toBe(false)
  })

  test.each<[string, Partial<PacketHeader>]>([
    ['another root', { root: '1'.repeat(64) }],
    ['other bytes', { rawHash: '1'.repeat(64) }],
    ['other times', { lastEventTimeMs: 9e15 }],
    ['another source', { sources: [{ sourceId: 'other', authenticated: 'none' }] }],
    ['an audience that would need blinds', { audience: 'restricted' }],
  ])('with a header that states %s', (_, lie) => {
    const given = packetOf([envelope({})], set)
    expect(normalizePacket({ ...given.header, ...lie }, given.bytes, set)).toMatchObject({
      ok: false,
      fault: { code: 'packet-invalid' },
    })
  })

  test('and says which line it is', () => {
    const given = rawPacket(utf8(`${line}\n{}\n`), 2, set)
    const outcome = normalizePacket(given.header, given.bytes, set)
    expect(!outcome.ok && outcome.fault.detail).toMatch(/^line 1: /)
  })

  test('or normalised, but never throws, whatever its lines are', () => {
    const strict = policyOf({ map: { 'a.b': 'x', c: '' }, coerce: { 'a.b': 'number' }, required: ['c'] })
    const members = Object.keys(envelope(null))
    fc.assert(
      fc.property(
        fc.constantFrom(...members),
        fc.jsonValue(),
        fc.nat(2_000),
        fc.nat(),
        (member, value, at, mask) => {
          const event = { ...envelope({ x: '1' }), [member]: value as Json }
          const { streamId, domain, schemaVersion, ...rest } = event
          const turned = utf8(`${JSON.stringify(rest)}\n`)
          turned[at % turned.length] = (turned[at % turned.length] ?? 0) ^ (mask & 0xff)
          const given = rawPacket(turned, 1, strict)
          const outcome = normalizePacket(given.header, given.bytes, strict)
          if (!outcome.ok) expect(faultCodes).toContain(outcome.fault.code)
        },
      ),
      { numRuns: 1_000 },
    )
  })
})

describe('an output line', () => {
  const read = (json: Json) => readOutputLine(canonicalJson(json), constants)
  const entry = { eventId: 'e'.repeat(64), issues: [], qualityFlags: 256, quarantined: true, sourceId: 's' }

  test('is an event or an entry and nothing in between', () => {
    expect(read(entry).ok).toBe(true)
    expect(read({ ...entry, rejected: true }).ok).toBe(true)
    const { streamId, domain, schemaVersion, ...members } = envelope({})
    expect(read({ ...members, issues: ['a'] }).ok).toBe(true)
    for (const wrong of [
      { ...entry, quarantined: false },
      { ...entry, rejected: false },
      { ...entry, payload: 1 },
      { ...entry, issues: 'a' },
      { ...entry, eventId: 'E' },
      { ...members, quarantined: true },
      { ...members, issues: [1] },
      { ...members, issues: Array(ISSUES_LISTED_MAX + 1).fill('a') },
      { ...members, issues: Array(ISSUES_LISTED_MAX + 2).fill('issues-omitted::1') },
      { ...members, streamId: 'meters' },
      [],
    ])
      expect(read(wrong as Json).ok).toBe(false)
  })
})
