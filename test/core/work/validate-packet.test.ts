import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { sha256Hex } from '#sha256'
import { fromUtf8, utf8 } from '../../../src/core/bytes.ts'
import { canonicalJson, type Json, type JsonObject } from '../../../src/core/canonical-json.ts'
import type { Envelope } from '../../../src/core/event/envelope.ts'
import { eventLine, type LineConstants } from '../../../src/core/event/line.ts'
import { qualityFlags } from '../../../src/core/event/quality-flags.ts'
import { faultCodes, orThrow } from '../../../src/core/fault.ts'
import type { PacketHeader } from '../../../src/core/log/packet-header.ts'
import { type PolicySet, policyDigest } from '../../../src/core/policy/policy-set.ts'
import { readPolicySet } from '../../../src/core/policy/read-policy-set.ts'
import { PACKET_STEPS_MAX } from '../../../src/core/rules/budget.ts'
import { compilePattern } from '../../../src/core/rules/pattern.ts'
import {
  BRIEF_LINE_BYTES_MAX,
  ISSUES_LISTED_MAX,
  OUTPUT_LINE_BYTES_MAX,
  quarantineEntry,
  type StageOutput,
} from '../../../src/core/work/stage-output.ts'
import { validatePacket } from '../../../src/core/work/validate-packet.ts'
import { envelope } from '../policy/examples.ts'
import { oneRuleOfEachKind } from '../rules/examples.ts'

const constants: LineConstants = { streamId: 'meters', domain: 'energy', schemaVersion: 1 }
const policySet = (members: JsonObject) => orThrow(readPolicySet({ v: 1, ...members }))
const lineOf = (event: Envelope) => orThrow(eventLine(event, constants))
const at = (timeMs: number, payload: Json, sourceId = 's') =>
  envelope(payload, {
    eventTimeMs: timeMs,
    ingestTimeMs: timeMs,
    sourceId,
    eventId: sha256Hex(`${sourceId} ${timeMs}`),
  })

function headerOf(set: PolicySet, count: number, watermarkMs = 0): PacketHeader {
  return {
    v: 1,
    log: `02${'a'.repeat(64)}`,
    streamId: 'meters',
    partition: 0,
    level: 'basic',
    audience: 'public',
    packetNo: 0,
    firstSeq: 0,
    count,
    root: '0'.repeat(64),
    bytes: 0,
    rawHash: '0'.repeat(64),
    previous: null,
    firstEventTimeMs: null,
    lastEventTimeMs: null,
    watermarkMs,
    policyDigest: policyDigest(set),
    rosterDigest: '0'.repeat(64),
    totals: { received: count, accepted: count, duplicate: 0, rejected: 0, quarantined: 0, waived: 0 },
    sources: [],
    constants: count === 0 ? {} : constants,
    network: 'local',
  }
}

type Given = { watermarkMs?: number; stateIn?: Uint8Array | null; previous?: string }

const parent = { packetId: 'c'.repeat(64), versionId: 'd'.repeat(64) }

function validate(
  set: PolicySet,
  lines: readonly string[],
  { watermarkMs, stateIn = null, previous = parent.packetId }: Given = {},
) {
  const bytes = utf8(lines.map(line => `${line}\n`).join(''))
  const header = { ...headerOf(set, lines.length, watermarkMs), previous }
  return validatePacket(header, bytes, set, { parent, state: stateIn })
}

const linesOf = (output: StageOutput) => (fromUtf8(output.bytes) ?? '').split('\n').slice(0, -1)
const valuesOf = (output: StageOutput): JsonObject[] => linesOf(output).map(line => JSON.parse(line))
const fusedOf = (output: StageOutput) => valuesOf(output).filter(line => line['fused'])
const setAside = (event: Envelope, issue: string) => canonicalJson(quarantineEntry(event, [issue], false))

describe('a validated packet', () => {
  const set = policySet({
    sources: { s: { constraints: { bounds: { v: { max: 9 } } } } },
    rules: [
      { kind: 'enum', field: 'unit', values: ['C'], severity: 'flag', flag: 'CONNECTOR_DEGRADED' },
      { kind: 'skew', severity: 'reject' },
    ],
  })

  test('answers line i in line i, and leaves the line of a valid event as it is', () => {
    const good = lineOf(at(1, { v: 1 }))
    const before = setAside(at(2, {}), 'coercion-NaN:v:x')
    const ahead = { ...at(6_000, { v: 1 }), ingestTimeMs: 0 }
    const output = orThrow(
      validate(set, [
        good,
        before,
        lineOf(at(3, { v: 10 })),
        lineOf(at(4, { v: 1, unit: 'K' })),
        lineOf(ahead),
      ]),
    )
    expect(linesOf(output).slice(0, 2)).toEqual([good, before])
    expect(valuesOf(output).slice(2)).toEqual([
      {
        eventId: at(3, {}).eventId,
        issues: ['bounds-max:v:10>9'],
        qualityFlags: 0x101,
        quarantined: true,
        sourceId: 's',
      },
      expect.objectContaining({
        issues: ['enum-violation:unit:K'],
        payload: { v: 1, unit: 'K' },
        qualityFlags: 0x80,
      }),
      {
        eventId: ahead.eventId,
        issues: ['future-event-time:eventTimeMs:6000>5000'],
        qualityFlags: 0x104,
        quarantined: true,
        rejected: true,
        sourceId: 's',
      },
    ])
    expect(output).toMatchObject({
      outputHash: sha256Hex(output.bytes),
      stateOut: null,
      stateBytes: new Uint8Array(0),
    })
  })

  test('applies to a source its own rules, and those of the stream to all', () => {
    const output = orThrow(validate(set, [lineOf(at(1, { v: 10, unit: 'K' }, 'other'))]))
    expect(valuesOf(output)[0]).toMatchObject({ issues: ['enum-violation:unit:K'] })
  })

  test('keeps the issues that were found before', () => {
    const flagged = JSON.parse(lineOf(at(1, { v: 1, unit: 'K' })))
    const output = orThrow(validate(set, [canonicalJson({ ...flagged, issues: ['required-missing:x'] })]))
    expect(valuesOf(output)[0]).toMatchObject({ issues: ['required-missing:x', 'enum-violation:unit:K'] })
  })

  test('keeps count of the issues that an earlier stage left out', () => {
    const flagged = JSON.parse(lineOf(at(1, { v: 1, unit: 'K' })))
    const before = Array.from({ length: ISSUES_LISTED_MAX }, (_, i) => `required-missing:f${i}`)
    const output = orThrow(
      validate(set, [canonicalJson({ ...flagged, issues: [...before, 'issues-omitted::36'] })]),
    )
    expect(valuesOf(output)[0]).toMatchObject({ issues: [...before, 'issues-omitted::37'] })
  })

  test('flags every answer where its parent is not the packet before it', () => {
    const fusing = policySet({
      rules: [{ kind: 'bounds', field: 'v', max: 9 }],
      fusion: { strategy: 'priority' },
    })
    const entry = setAside(at(2, {}), 'x')
    const output = orThrow(
      validate(fusing, [lineOf(at(1, { v: 1 })), entry, lineOf(at(3, { v: 10 }))], {
        previous: 'f'.repeat(64),
        watermarkMs: 5_000,
      }),
    )
    expect(valuesOf(output).map(line => Number(line['qualityFlags']))).toEqual([
      qualityFlags.STATE_GAP,
      qualityFlags.STATE_GAP | qualityFlags.QUARANTINED,
      qualityFlags.STATE_GAP | qualityFlags.QUARANTINED | qualityFlags.INVALID_SCHEMA,
      qualityFlags.STATE_GAP,
    ])
  })

  test('has a gap before it without a parent only where it is not the first', () => {
    const line = lineOf(at(1, {}))
    const flags = [null, 'f'.repeat(64)].map(previous => {
      const header = { ...headerOf(set, 1), previous }
      const output = orThrow(validatePacket(header, utf8(`${line}\n`), set, { parent: null, state: null }))
      return valuesOf(output)[0]?.['qualityFlags']
    })
    expect(flags).toEqual([0, qualityFlags.STATE_GAP])
  })

  test('answers nothing but what was asked', () => {
    const other = policySet({ license: 'other' })
    const start = { parent: null, state: null }
    const line = lineOf(at(1, {}))
    const refusals = [
      validatePacket(headerOf(other, 1), utf8(`${line}\n`), set, start),
      validatePacket(headerOf(set, 2), utf8(`${line}\n`), set, start),
      validatePacket(headerOf(set, 1), utf8(line), set, start),
      validatePacket(headerOf(set, 1), utf8(` ${line}\n`), set, start),
      validatePacket(headerOf(set, 1), Uint8Array.of(0xff, 0x0a), set, start),
      validatePacket(headerOf(set, 1), utf8(`${line}\n`), set, { parent, state: utf8('{}') }),
    ]
    expect(refusals.map(outcome => outcome.ok)).toEqual(refusals.map(() => false))
  })
})

describe('what rules may cost in one packet', () => {
  // Weighs what it could cost, and finds its match at once.
  const pattern = '^(?:a|[bc]{500})'
  const { programSize } = orThrow(compilePattern(pattern))
  const steps = 8_000_000
  const costly = { a: 'a'.repeat(Math.floor(steps / programSize)) }
  const set = policySet({ sources: { s: { rules: [{ kind: 'pattern', field: 'a', pattern }] } } })
  const affordable = Math.ceil(PACKET_STEPS_MAX / steps)
  const events = Array.from({ length: affordable + 3 }, (_, i) => at(i, costly))

  test('is bounded: events after that are set aside, those without rules go on', () => {
    const free = at(1, costly, 'free')
    const lines = [...events, free].map(lineOf)
    const answers = linesOf(orThrow(validate(set, lines)))
    const checked = answers.findIndex(answer => answer.includes('work-too-large'))
    expect(Math.abs(checked - affordable)).toBeLessThanOrEqual(1)
    expect(answers.slice(0, checked)).toEqual(lines.slice(0, checked))
    expect(answers.slice(checked, -1)).toEqual(
      events.slice(checked).map(event => setAside(event, 'work-too-large::packet')),
    )
    expect(answers.at(-1)).toBe(lines.at(-1))
  })

  test('begins anew with the next packet', () => {
    const lines = events.slice(-10).map(lineOf)
    expect(linesOf(orThrow(validate(set, lines)))).toEqual(lines)
  })
})

describe('the state of a partition', () => {
  test('starts empty, and is what the next packet goes on from', () => {
    const set = policySet({ rules: [{ kind: 'monotonic', field: 'v' }] })
    const first = orThrow(validate(set, [lineOf(at(1, { v: 5 }))]))
    expect(first.stateOut).toBe(sha256Hex(first.stateBytes))
    const second = orThrow(validate(set, [lineOf(at(2, { v: 4 }))], { stateIn: first.stateBytes }))
    expect(valuesOf(second)[0]).toMatchObject({ issues: ['monotonic-violation:v:4<=5'] })
  })

  test('learns nothing from an event whose line finds no room', () => {
    const missing = 'q'.repeat(100)
    const remembering = policySet({
      rules: [
        { kind: 'enum', field: 'u', values: [missing], severity: 'flag' },
        { kind: 'monotonic', field: 'n' },
      ],
    })
    const bare = { ...at(1, { n: 9, u: 'x', v: '' }), qualityFlags: 0 }
    const room = OUTPUT_LINE_BYTES_MAX - lineOf(bare).length
    const tight = canonicalJson({
      ...JSON.parse(lineOf(bare)),
      payload: { n: 9, u: 'x', v: 'v'.repeat(room) },
    })
    for (const [lines, issues] of [
      [[tight, lineOf(at(2, { n: 5, u: missing }))], undefined],
      [
        [lineOf(at(1, { n: 9, u: missing })), lineOf(at(2, { n: 5, u: missing }))],
        ['monotonic-violation:n:5<=9'],
      ],
    ] as const) {
      const [first, second] = valuesOf(orThrow(validate(remembering, lines)))
      expect(first?.['quarantined']).toBe(issues === undefined ? true : undefined)
      expect(second?.['issues']).toEqual(issues)
    }
  })

  test('keeps within the bound that the policy sets', () => {
    const set = policySet({ stateBytesMax: 4_096, rules: [{ kind: 'monotonic', field: 'v', key: 'k' }] })
    const lines = Array.from({ length: 400 }, (_, i) => lineOf(at(i, { v: 1, k: `key-${i}` })))
    const first = orThrow(validate(set, lines))
    expect(first.stateBytes.length).toBeLessThanOrEqual(4_096)
    const second = orThrow(
      validate(set, [lineOf(at(200, { v: 1, k: 'key-0' }))], { stateIn: first.stateBytes }),
    )
    expect(valuesOf(second)[0]).toMatchObject({ issues: ['partial-coverage:v:key-0'], qualityFlags: 0x40 })
  })
})

describe('two sources that observe one thing', () => {
  const set = policySet({
    rules: [{ kind: 'bounds', field: 'v', max: 100 }],
    fusion: {
      strategy: 'quorum',
      min: 2,
      key: 'k',
      field: 'v',
      absolute: 1,
      windowMs: 1_000,
      latenessMs: 200,
    },
  })
  const first = () =>
    orThrow(
      validate(set, [lineOf(at(100, { k: 'x', v: 7 }, 'a')), lineOf(at(101, { k: 'w', v: 1 }, 'a'))], {
        watermarkMs: 150,
      }),
    )

  test('become one record, also where they stand in different packets', () => {
    const second = orThrow(
      validate(set, [lineOf(at(900, { k: 'x', v: 8 }, 'b')), lineOf(at(950, { k: 'x', v: 1_000 }, 'c'))], {
        stateIn: first().stateBytes,
        watermarkMs: 1_200,
      }),
    )
    expect(fusedOf(first())).toEqual([])
    expect(valuesOf(second).slice(2)).toMatchObject([
      { key: 'w', decision: 'undecided', value: null, overruled: [{ sourceId: 'a', reason: 'no-quorum' }] },
      { key: 'x', decision: 'agreed', value: 7, from: [{ sourceId: 'a' }, { sourceId: 'b' }], overruled: [] },
    ])
  })

  test('are decided by an empty packet where no event comes', () => {
    const closing = orThrow(
      validate(set, [], { stateIn: first().stateBytes, watermarkMs: 1_200, previous: 'f'.repeat(64) }),
    )
    expect(fusedOf(closing).length).toBe(2)
    expect(valuesOf(closing)[0]).toMatchObject({
      qualityFlags: qualityFlags.STATE_GAP | qualityFlags.SOURCE_DIVERGENCE,
    })
  })

  test('leave a latecomer as dissent that changes nothing', () => {
    const closing = orThrow(validate(set, [], { stateIn: first().stateBytes, watermarkMs: 1_200 }))
    const after = orThrow(
      validate(set, [lineOf(at(999, { k: 'x', v: 7 }, 'b'))], {
        stateIn: closing.stateBytes,
        watermarkMs: 1_300,
      }),
    )
    expect(valuesOf(after)).toMatchObject([
      { issues: ['fusion-late:eventTimeMs:999'], qualityFlags: qualityFlags.LATE },
    ])
  })

  test('hand on the flags that the rules found in what they said', () => {
    const flagging = policySet({
      rules: [{ kind: 'bounds', field: 'v', max: 4, severity: 'flag', flag: 'OUTLIER_DETECTED' }],
      fusion: { strategy: 'quorum', field: 'v' },
    })
    const lines = [lineOf(at(1, { v: 5 }, 'a')), lineOf(at(2, { v: 5 }, 'b'))]
    const output = orThrow(validate(flagging, lines, { watermarkMs: 9_000 }))
    expect(fusedOf(output)).toMatchObject([{ value: 5, qualityFlags: qualityFlags.OUTLIER_DETECTED }])
  })

  test('are not heard where their lines find no room', () => {
    const missing = 'q'.repeat(100)
    const flagging = policySet({
      rules: [{ kind: 'enum', field: 'u', values: [missing], severity: 'flag' }],
      fusion: { strategy: 'priority' },
    })
    const bare = { ...at(1, { u: 'x', v: '' }), qualityFlags: 0 }
    const room = OUTPUT_LINE_BYTES_MAX - lineOf(bare).length
    const fits = canonicalJson({ ...JSON.parse(lineOf(bare)), payload: { u: 'x', v: 'v'.repeat(room) } })
    expect(fits.length).toBe(OUTPUT_LINE_BYTES_MAX)
    const output = orThrow(validate(flagging, [fits], { watermarkMs: 9_000 }))
    expect(valuesOf(output)).toMatchObject([{ quarantined: true, issues: ['output-too-large::line'] }])
  })

  test('leave a record in few words where there is no room for what was decided', () => {
    const fusing = policySet({ fusion: { strategy: 'priority' } })
    const partitionKey = '\u0001'.repeat(256)
    const bare = { ...at(1, { v: '' }), partitionKey }
    const room = OUTPUT_LINE_BYTES_MAX - lineOf(bare).length - 10
    const line = canonicalJson({ ...JSON.parse(lineOf(bare)), payload: { v: 'v'.repeat(room) } })
    const others = Array.from({ length: 9 }, (_, i) => lineOf({ ...at(2 + i, {}, `s${i}`), partitionKey }))
    const output = orThrow(validate(fusing, [line, ...others], { watermarkMs: 9_000 }))
    expect(fusedOf(output)).toMatchObject([
      {
        decision: 'undecided',
        chosen: null,
        value: null,
        from: [],
        overruled: [],
        dropped: 10,
        qualityFlags: qualityFlags.PARTIAL_COVERAGE,
      },
    ])
    expect(utf8(linesOf(output).at(-1) ?? '').length).toBeLessThan(BRIEF_LINE_BYTES_MAX)
  })

  test('whose open windows outgrow the state are decided early, and flagged', () => {
    const small = policySet({ stateBytesMax: 4_096, fusion: { strategy: 'priority', key: 'k' } })
    const lines = Array.from({ length: 80 }, (_, i) => lineOf(at(i, { k: i, pad: 'p'.repeat(50) })))
    const output = orThrow(validate(small, lines))
    expect(output.stateBytes.length).toBeLessThanOrEqual(4_096)
    expect(fusedOf(output).length).toBeGreaterThan(0)
    for (const record of valuesOf(output).slice(80))
      expect(record).toMatchObject({ qualityFlags: qualityFlags.PARTIAL_COVERAGE })
  })

  test('are given up where the policy that would decide them is gone or has changed', () => {
    const stateIn = first().stateBytes
    expect(orThrow(validate(policySet({ license: 'other' }), [], { stateIn })).stateOut).toBeNull()
    const changed = policySet({ fusion: { strategy: 'trust-median', field: 'w' } })
    expect(fusedOf(orThrow(validate(changed, [], { stateIn, watermarkMs: 9_000 })))).toEqual([])
  })
})

const event = fc
  .record({
    k: fc.constantFrom('a', 'b', '__proto__'),
    v: fc.integer({ min: -5, max: 200 }),
    w: fc.integer({ min: 1, max: 3 }),
    s: fc.constantFrom('ok', 'no', '7'),
    sourceId: fc.constantFrom('s', 't', '__proto__'),
    timeMs: fc.integer({ min: 0, max: 9_000 }),
  })
  .map(({ sourceId, timeMs, ...payload }) => at(timeMs, payload, sourceId))
const everything = policySet({
  sources: { t: { rules: oneRuleOfEachKind.slice(2, 6) } },
  rules: oneRuleOfEachKind.slice(6),
  fusion: { strategy: 'quorum', min: 2, key: 'k', field: 'v', absolute: 3, windowMs: 500, windowsMax: 4 },
})

describe('the same events', () => {
  const unique = fc.uniqueArray(event, { maxLength: 30, selector: ({ eventId }) => eventId })

  test('cut into packets anywhere give the same lines and the same final state', () => {
    fc.assert(
      fc.property(unique, fc.nat(), (events, cut) => {
        const lines = events.map(lineOf)
        const whole = orThrow(validate(everything, lines, { watermarkMs: 20_000 }))
        const middle = cut % (lines.length + 1)
        const left = orThrow(validate(everything, lines.slice(0, middle)))
        const right = orThrow(
          validate(everything, lines.slice(middle), { stateIn: left.stateBytes, watermarkMs: 20_000 }),
        )
        const answers = [...linesOf(left).slice(0, middle), ...linesOf(right).slice(0, lines.length - middle)]
        const fused = [...linesOf(left).slice(middle), ...linesOf(right).slice(lines.length - middle)]
        expect(answers).toEqual(linesOf(whole).slice(0, lines.length))
        expect(fused.sort()).toEqual(linesOf(whole).slice(lines.length).sort())
        expect(right.stateOut).toBe(whole.stateOut)
      }),
      { numRuns: 200 },
    )
  })

  test('with the same state give the same bytes, and account for every line', () => {
    fc.assert(
      fc.property(unique, events => {
        const lines = events.map(lineOf)
        const output = orThrow(validate(everything, lines, { watermarkMs: 4_000 }))
        expect(orThrow(validate(everything, lines, { watermarkMs: 4_000 }))).toEqual(output)
        const values = valuesOf(output)
        expect(values.map(line => line['eventId'])).toEqual([
          ...events.map(({ eventId }) => eventId),
          ...fusedOf(output).map(() => undefined),
        ])
        for (const line of values) expect('payload' in line && 'quarantined' in line).toBe(false)
      }),
      { numRuns: 100 },
    )
  })
})

test('bytes that somebody damaged give a named fault or an answer, never an exception', () => {
  const base = [at(1, { k: 'a', v: 1, w: 1 }), at(2, { k: 'a', v: 2, w: 1 }, 't')].map(lineOf)
  const sound = orThrow(validate(everything, base))
  const damage = fc.tuple(
    fc.nat(),
    fc.constantFrom('"', '{', '}', ',', '0', '-', '\\ud800', '1e400', '\n', 'x', '\u0000', '__proto__'),
  )
  const damaged = (text: string, [place, piece]: [number, string]) => {
    const from = place % (text.length + 1)
    return text.slice(0, from) + piece + text.slice(from + (place % 3))
  }
  const text = `${base.join('\n')}\n`
  const stateText = fromUtf8(sound.stateBytes) ?? ''
  fc.assert(
    fc.property(damage, fc.option(damage), (one, two) => {
      const outcome = validatePacket(headerOf(everything, 2), utf8(damaged(text, one)), everything, {
        parent: null,
        state: two === null ? null : utf8(damaged(stateText, two)),
      })
      if (!outcome.ok) expect(faultCodes).toContain(outcome.fault.code)
    }),
    { numRuns: 1_500 },
  )
})
