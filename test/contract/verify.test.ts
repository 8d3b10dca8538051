import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { exitCodeOf, type ProofLevel, type Trust, verifyProof } from '../../src/contract/verify.ts'
import { fromHex, toHex } from '../../src/core/bytes.ts'
import {
  canonicalize,
  canonicalJson,
  isObject,
  type Json,
  pointerToken,
} from '../../src/core/canonical-json.ts'
import { certifiedRound, party, type RoundOptions, sampleEvent } from '../support/certified-round.ts'

const round = certifiedRound()
const proof = round.proof(1, 1)
const text = canonicalJson(proof)
const json: Json = JSON.parse(text)
const trust = trustIn(round)

function trustIn({ log, operators, chain }: ReturnType<typeof certifiedRound>): Required<Trust> {
  return {
    logs: new Set([log.identityKey]),
    operators: new Set(operators.map(operator => operator.identityKey)),
    headers: chain.headers(),
    allowLocal: true,
  }
}

function levelOf(file: string, given: Trust): ProofLevel | string {
  const verdict = verifyProof(file, given)
  return verdict.kind === 'valid' ? verdict.level : `${verdict.kind}: ${verdict.fault.detail}`
}

function without(...members: (keyof Trust)[]): Trust {
  return Object.fromEntries(Object.entries(trust).filter(([name]) => !members.includes(name as keyof Trust)))
}

function altered(pointer: string, value: Json): string {
  return canonicalJson(replaceAt(json, pointer, value))
}

describe('a proof of a mined certificate', () => {
  test('is proven to a reader who trusts log, operators and headers', () => {
    expect(verifyProof(text, trust)).toMatchObject({
      kind: 'valid',
      level: 'proven',
      shortfall: null,
      blockHeight: 1,
      event: { seq: 6, partition: 0, sourceId: 'farm-001', outcome: 'accepted' },
      log: { key: round.log.identityKey, listed: true },
      network: 'local',
    })
  })

  test('names who was asked, who answered and who agreed, stage by stage', () => {
    const verdict = verifyProof(text, trust)
    if (verdict.kind !== 'valid') throw new Error(verdict.fault.detail)
    expect(verdict.stages.map(({ stage, asked, given }) => [stage, asked, given])).toEqual([
      ['normalize', 3, 3],
      ['validate', 3, 3],
      ['certify', 3, 3],
    ])
    for (const stage of verdict.stages) {
      expect(stage.agreeing.map(({ operator }) => operator)).toEqual(
        round.operators.map(operator => operator.identityKey),
      )
      expect(stage.agreeing.every(({ listed }) => listed)).toBe(true)
    }
  })

  test.each<[ProofLevel, string, Trust]>([
    ['consistent', 'nothing', {}],
    ['consistent', 'headers alone', without('logs', 'operators')],
    ['consistent', 'no list of logs', without('logs')],
    ['consistent', 'no list of operators', without('operators')],
    ['consistent', 'another log', { ...trust, logs: new Set([party('stranger').identityKey]) }],
    [
      'consistent',
      'one operator of the two it takes',
      { ...trust, operators: new Set([...trust.operators].slice(1, 2)) },
    ],
    [
      'signed',
      'two operators, no headers',
      { ...without('headers'), operators: new Set([...trust.operators].slice(1)) },
    ],
    ['signed', 'a private chain, which is not asked for', without('allowLocal')],
    ['signed', 'headers of another network', { ...trust, headers: { ...trust.headers, network: 'mainnet' } }],
    [
      'signed',
      'headers that begin later',
      { ...trust, headers: { ...trust.headers, rootAt: () => undefined } },
    ],
  ])('is %s to a reader who gives: %s', (level, _, given) => {
    expect(levelOf(text, given)).toBe(level)
  })

  test('is anchored before its block proof comes, and the file only grows by it', () => {
    const early = round.proof(1, 1, false)
    expect(levelOf(canonicalJson(early), trust)).toBe('anchored')
    expect({ ...early, block: proof.block }).toEqual(proof)
  })

  test('says outright what it does not know', () => {
    const verdict = verifyProof(text, {})
    expect(verdict).toMatchObject({
      kind: 'valid',
      shortfall: expect.stringContaining('which logs and operators'),
    })
    expect(verdict.kind === 'valid' && verdict.notChecked.join()).toMatch(/revoked.*replay.*lists.*headers/s)
  })

  test('keeps a reserved member for a transparency log, and says that it was not read', () => {
    const verdict = verifyProof(canonicalJson({ ...proof, log: { checkpoint: 'x' } }), trust)
    expect(verdict.kind === 'valid' && verdict.notChecked.join()).toContain('transparency log')
  })
})

describe('every event of a round', () => {
  const outcomes = round.packets.map((packet, member) =>
    Array.from({ length: packet.header.count }, (_, line) => {
      const verdict = verifyProof(canonicalJson(round.proof(member, line)), trust)
      return verdict.kind === 'valid' && verdict.level === 'proven' ? verdict.event.outcome : 'not proven'
    }),
  )

  test('is proven, also the one that was set aside, as what it is', () => {
    expect(outcomes).toEqual([
      ['accepted', 'accepted', 'quarantined', 'quarantined', 'accepted'],
      ['accepted', 'accepted', 'accepted'],
    ])
  })
})

describe('exit codes', () => {
  test.each<[number, string, ProofLevel, Trust]>([
    [0, text, 'proven', trust],
    [0, text, 'signed', trust],
    [3, text, 'signed', {}],
    [3, text, 'proven', without('headers')],
    [2, '{}', 'consistent', trust],
    [1, altered('/event/index', 0), 'consistent', trust],
  ])('%i', (code, file, required, given) => {
    expect(exitCodeOf(verifyProof(file, given), required)).toBe(code)
  })
})

describe('a proof is invalid', () => {
  const other = certifiedRound({
    events: [
      [sampleEvent(20), sampleEvent(21)],
      [sampleEvent(22), sampleEvent(23)],
    ],
  })

  test.each<[string, string, Json]>([
    ['the line of another event', '/event/line', round.proof(1, 0).event.line],
    ['the certified line of another event', '/certified', round.proof(1, 0).certified],
    ['the header of another packet', '/packet', round.proof(0, 0).packet],
    ['the manifest of another packet', '/manifest', round.proof(0, 0).manifest],
    ['the certificate of another round', '/beef', toHex(other.beef)],
    ['the block of another certificate', '/block', other.proof(0, 0).block ?? ''],
    ['another count of tries', '/round/try', 2],
    ['another place in its round', '/packet/index', 0],
    ['a longer path', '/event/path', [...proof.event.path, '00'.repeat(32)]],
    ['a shorter path', '/certified/path', proof.certified.path.slice(1)],
  ])('with %s', (_, pointer, value) => {
    expect(verifyProof(altered(pointer, value), trust).kind).toBe('invalid')
  })

  test.each<[string, string]>([
    ['spaces', JSON.stringify(proof, undefined, 1)],
    ['a member out of order', JSON.stringify(Object.fromEntries(Object.entries(JSON.parse(text)).reverse()))],
    ['an unknown member', canonicalJson({ ...proof, note: 'hello' })],
    ['upper-case hex', canonicalJson({ ...proof, beef: proof.beef.toUpperCase() })],
    ['a member missing', altered('/round', { count: 2 })],
    ['nothing in it', ''],
  ])('or rather unreadable with %s', (_, file) => {
    expect(verifyProof(file, trust).kind).toBe('unreadable')
  })
})

describe('a quorum behind a proof', () => {
  const lie = (leaves: readonly string[]) => leaves.map(leaf => leaf.replace(/^../, 'ff'))
  const seat = (liar: number, at: string): RoundOptions => ({
    answer: (stage, seat, truth) => (seat === liar && stage === at ? lie(truth) : truth),
  })

  test('outvotes a liar, and the proof keeps the dissent', () => {
    const split = certifiedRound(seat(1, 'validate'))
    const verdict = verifyProof(canonicalJson(split.proof(0, 0)), trustIn(split))
    expect(verdict).toMatchObject({ kind: 'valid', level: 'proven' })
    expect(verdict.kind === 'valid' && verdict.stages[1]).toMatchObject({
      asked: 3,
      given: 3,
      agreeing: [{}, {}],
      dissenting: [{ operator: split.operators[1]?.identityKey }],
    })
  })

  test('does without an agent that never answered', () => {
    const silent = certifiedRound({ answer: (_, seat, truth) => (seat === 2 ? undefined : truth) })
    const verdict = verifyProof(canonicalJson(silent.proof(0, 0)), trustIn(silent))
    expect(verdict.kind === 'valid' && verdict.stages.map(({ asked, given }) => [asked, given])).toEqual([
      [3, 2],
      [3, 2],
      [3, 2],
    ])
  })

  test.each<[string, RoundOptions]>([
    ['one answer out of three', { answer: (_, seat, truth) => (seat === 0 ? truth : undefined) }],
    [
      'two answers that differ',
      { answer: (_, seat, truth) => (seat === 2 ? undefined : seat === 1 ? lie(truth) : truth) },
    ],
    ['two answers that say failed', { status: (_, seat) => (seat === 0 ? 'completed' : 'failed') }],
    ['two of three where the level is critical', { level: 'critical', ...seat(0, 'certify') }],
  ])('is not made of %s', (_, options) => {
    const made = certifiedRound(options)
    expect(levelOf(canonicalJson(made.proof(0, 0)), trustIn(made))).toMatch(/^invalid: .*agree/)
  })

  test.each(['basic', 'critical'] as const)('at level %s is proven too', level => {
    const made = certifiedRound({ level })
    expect(levelOf(canonicalJson(made.proof(0, 0)), trustIn(made))).toBe('proven')
  })
})

// Every bit by hand with ASSAY_EVERY_BIT=1; otherwise a fixed slice that meets every member.
const bitStep = process.env['ASSAY_EVERY_BIT'] ? 1 : 97

describe('a changed proof', () => {
  test('never passes for the one that was made: bits of every hex member', () => {
    const caught = { unreadable: 0, invalid: 0, valid: 0 }
    for (const { pointer, value } of leavesOf(json)) {
      const bytes = typeof value === 'string' && value.length > 1 ? fromHex(value) : undefined
      if (bytes === undefined) continue
      for (let bit = pointer.length % bitStep; bit < bytes.length * 8; bit += bitStep) {
        const flipped = bytes.slice()
        flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7))
        const verdict = verifyProof(altered(pointer, toHex(flipped)), trust)
        caught[verdict.kind]++
        if (verdict.kind === 'valid') expect(verdict.level, `${pointer} bit ${bit}`).not.toBe('proven')
      }
    }
    expect(caught.unreadable + caught.invalid).toBeGreaterThan(100 * caught.valid)
  })

  test('never passes for the one that was made: every number, text and list', () => {
    for (const { pointer, value } of leavesOf(json)) {
      for (const change of changesOf(value)) {
        const verdict = verifyProof(altered(pointer, change), trust)
        expect(verdict.kind, `${pointer} changed to ${JSON.stringify(change)?.slice(0, 40)}`).not.toBe(
          'valid',
        )
      }
    }
  })

  test('never throws, whatever is put in place of whatever', () => {
    const places = leavesOf(json).map(({ pointer }) => pointer)
    fc.assert(
      fc.property(fc.constantFrom(...places), fc.jsonValue(), (pointer, value) => {
        const changed = canonicalize(replaceAt(json, pointer, value as Json))
        const file = changed.ok ? changed.value : JSON.stringify(value)
        return file === text || verifyProof(file, trust).kind !== 'valid'
      }),
      { numRuns: 2000 },
    )
  })

  test('never throws over texts that were never a proof', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.json(),
          fc.nat(text.length).map(at => text.slice(0, at)),
        ),
        file => {
          const verdict = verifyProof(file, trust)
          return verdict.kind !== 'valid' || file === text
        },
      ),
      { numRuns: 1000 },
    )
  })
})

function leavesOf(json: Json, pointer = ''): { pointer: string; value: Json }[] {
  if (typeof json !== 'object' || json === null) return [{ pointer, value: json }]
  return Object.entries(json).flatMap(([key, inner]) => leavesOf(inner, pointer + pointerToken(key)))
}

function replaceAt(json: Json, pointer: string, value: Json): Json {
  const [, key, ...rest] = pointer.split('/')
  if (key === undefined) return value
  const inner = rest.map(token => `/${token}`).join('')
  if (Array.isArray(json))
    return json.map((item, i) => (String(i) === key ? replaceAt(item, inner, value) : item))
  if (!isObject(json)) throw new Error(`nothing at ${pointer}`)
  const name = key.replaceAll('~1', '/').replaceAll('~0', '~')
  return { ...json, [name]: replaceAt(json[name] ?? null, inner, value) }
}

function changesOf(value: Json): Json[] {
  if (typeof value === 'number') return [value + 1, value - 1, String(value), null]
  if (typeof value === 'boolean') return [!value]
  if (value === null) return ['00'.repeat(32), 0]
  if (typeof value === 'string') return [`${value} `, value.slice(1), '', null]
  return [null]
}
