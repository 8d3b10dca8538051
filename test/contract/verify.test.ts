import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { writeBeef } from '../../src/contract/beef.ts'
import { readBump, writeBump } from '../../src/contract/bump.ts'
import { buildTransaction, FINAL_SEQUENCE, type Transaction } from '../../src/contract/transaction.ts'
import { exitCodeOf, type ProofLevel, type Trust, verifyProof } from '../../src/contract/verify.ts'
import { fromHex, knownHex, toHex, utf8 } from '../../src/core/bytes.ts'
import {
  canonicalize,
  canonicalJson,
  isObject,
  type Json,
  pointerToken,
} from '../../src/core/canonical-json.ts'
import { versionIdOf } from '../../src/core/certificate/manifest.ts'
import { qualityFlags } from '../../src/core/event/quality-flags.ts'
import { orThrow } from '../../src/core/fault.ts'
import { leafHash } from '../../src/core/merkle.ts'
import { sha256Hex } from '../../src/core/sha256.node.ts'
import {
  certifiedRound,
  party,
  type RoundOptions,
  type RoundPacket,
  sampleEvent,
} from '../support/certified-round.ts'
import { PrivateChain } from '../support/private-chain.ts'

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
    expect(notChecked(text, {})).toMatch(
      /revoked.*replay.*round document.*roster.*no list of logs.*no list of operators.*private/s,
    )
    expect(notChecked(text, without('operators'))).not.toContain('no list of logs')
    expect(notChecked(text, without('logs'))).not.toContain('no list of operators')
  })

  test('says that an id of the arrival alone stands for no content', () => {
    const { nativeId: _, ...event } = sampleEvent(0)
    const arrived = { ...event, eventTimeMs: event.ingestTimeMs, qualityFlags: qualityFlags.ARRIVAL_TIME }
    const made = certifiedRound({ events: [[arrived]] })
    const open = /what was sent under this eventId/
    expect(notChecked(canonicalJson(made.proof(0, 0)), trustIn(made))).toMatch(open)
    expect(notChecked(text, trust)).not.toMatch(open)
  })

  test('names the level of its certification', () => {
    expect(verifyProof(text, {})).toMatchObject({ certificationLevel: 'enhanced' })
  })

  test('names no block that the headers have not shown, and says why, at whatever level', () => {
    const tall = altered('/block', withHeight(4_000_000_000))
    for (const given of [{}, without('headers'), without('allowLocal'), without('logs')])
      expect(verifyProof(tall, { ...given, ...(given.headers && { headers: later }) })).toMatchObject({
        blockHeight: null,
      })
    expect(notChecked(text, { ...without('logs', 'headers') })).toContain('no block headers')
    expect(notChecked(text, { ...without('logs'), headers: later })).toContain('outside the headers')
    expect(notChecked(text, trust)).not.toMatch(/block/)
  })

  test('keeps a reserved member for a transparency log, and says that it was not read', () => {
    const verdict = verifyProof(canonicalJson({ ...proof, log: { checkpoint: 'x' } }), trust)
    expect(verdict.kind === 'valid' && verdict.notChecked.join()).toContain('transparency log')
  })
})

function notChecked(file: string, given: Trust): string {
  const verdict = verifyProof(file, given)
  return verdict.kind === 'valid' ? verdict.notChecked.join('\n') : verdict.fault.detail
}

/** The chain without its first block, in which the fuel is. */
const later = {
  ...trust.headers,
  firstHeight: 1,
  rootAt: (height: number) => (height < 1 ? undefined : trust.headers.rootAt(height)),
}

function withHeight(height: number): string {
  return toHex(writeBump({ ...orThrow(readBump(knownHex(proof.block ?? ''))), height }))
}

test('a proof whose fuel lay behind an unknown lock is signed and no more, and says why', () => {
  const made = certifiedRound({
    fuelFrom: outputs => {
      const open = { satoshis: 8000, script: Uint8Array.of(0x51) }
      const script = new Uint8Array()
      const mined = buildTransaction([{ txid: '0'.repeat(64), vout: FINAL_SEQUENCE, script }], [open])
      return [mined, buildTransaction([{ txid: mined.txid, vout: 0, script }], outputs)]
    },
  })
  const file = canonicalJson(made.proof(0, 0))
  expect(levelOf(file, trustIn(made))).toBe('signed')
  expect(notChecked(file, trustIn(made))).toContain('whether every spend was allowed')
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

  test.each<[string, Json, RegExp]>([
    ['/packet/header/audience', 'restricted', /blinded/],
    ['/packet/header/firstEventTimeMs', 1_780_000_007_000, /time/],
    ['/packet/header/sources', [{ authenticated: 'none', sourceId: 'bank' }], /source/],
  ])('whose header denies the event: %s', (pointer, value, why) => {
    expect(verifyProof(altered(pointer, value), trust)).toMatchObject({
      kind: 'invalid',
      fault: { pointer: '/packet/header', detail: expect.stringMatching(why) },
    })
  })

  test.each<[string, string]>([
    ['names its transaction a neighbour', relabelled(proof.block ?? '')],
    ['is for two transactions', pathOfTwo()],
  ])('whose block proof %s', (_, block) => {
    expect(verifyProof(altered('/block', block), {})).toMatchObject({
      kind: 'invalid',
      fault: { pointer: '/block', detail: expect.stringMatching(/more than the path/) },
    })
  })

  function relabelled(block: string): string {
    const { height, levels } = orThrow(readBump(knownHex(block)))
    return toHex(
      writeBump({ height, levels: levels.map(nodes => nodes.map(node => ({ ...node, txid: false }))) }),
    )
  }

  /** Both nodes at the bottom are marked, as a path for two transactions marks them. */
  function pathOfTwo(): string {
    const [, certificate] = new PrivateChain().mine(
      [round.transactions[0], round.transactions.at(-1)].flatMap(t => t ?? []),
    )
    if (certificate === undefined) throw new Error('nothing mined')
    return toHex(
      writeBump({
        ...certificate,
        levels: certificate.levels.map(nodes => nodes.map(node => ({ ...node, txid: true }))),
      }),
    )
  }

  test('whose own block a header contradicts, even where the header of its fuel is missing', () => {
    const { levels } = orThrow(readBump(knownHex(proof.block ?? '')))
    const [own] = levels[0] ?? []
    const beside = { offset: 1, hash: new Uint8Array(32), txid: false }
    if (own === undefined) throw new Error('no leaf')
    const elsewhere = altered('/block', toHex(writeBump({ height: 1, levels: [[own, beside]] })))
    for (const given of [trust, { ...trust, headers: later }, { headers: later }])
      expect(verifyProof(elsewhere, given)).toMatchObject({
        kind: 'invalid',
        fault: { code: 'proof-invalid', pointer: '/block' },
      })
  })

  test.each<[string, (transaction: Transaction) => Transaction]>([
    ['not signed at all', unsigned],
    [
      'not signed, and a dissent is left out',
      ({ inputs, outputs }) =>
        unsigned(
          buildTransaction(
            inputs.filter((_, i) => i !== 3),
            outputs,
          ),
        ),
    ],
    [
      'not signed, and its change goes to a stranger',
      ({ inputs, outputs }) =>
        unsigned(
          buildTransaction(inputs, [...outputs.slice(0, -1), { satoshis: 500, script: Uint8Array.of(0x51) }]),
        ),
    ],
  ])('whose certificate is %s', (_, forge) => {
    const certificate = round.transactions.at(-1)
    if (certificate === undefined) throw new Error('no certificate')
    const beef = toHex(writeBeef([...round.transactions.slice(0, -1), forge(certificate)]))
    const { block: _block, ...rest } = proof
    expect(verifyProof(canonicalJson({ ...rest, beef }), without('headers'))).toMatchObject({
      kind: 'invalid',
      fault: { detail: expect.stringMatching(/does not satisfy its lock/) },
    })
  })

  function unsigned({ inputs, outputs }: Transaction): Transaction {
    const script = new Uint8Array()
    return buildTransaction(
      inputs.map(({ txid, vout }) => ({ txid, vout, script })),
      outputs,
    )
  }

  test('whose log and agents certify another content under the id that the publisher was given', () => {
    const sent = sampleEvent(0, 20)
    const made = certifiedRound({
      level: 'critical',
      events: [[{ ...sampleEvent(0, 35), eventId: sent.eventId }]],
    })
    expect(levelOf(canonicalJson(made.proof(0, 0)), trustIn(made))).toMatch(/eventId is not the one/)
  })

  const line = (change: Json) => (packet: RoundPacket) => certifiedAs(packet, canonicalJson(change))
  const { eventId } = sampleEvent(0)
  const entry = { eventId, issues: [], qualityFlags: 0x100, quarantined: true, sourceId: 'farm-001' }
  test.each<[string, (packet: RoundPacket) => RoundPacket, RegExp]>([
    ['is of another source', line({ ...entry, sourceId: 'bank' }), /another event/],
    ['is of another event', line({ ...entry, eventId: '00'.repeat(32) }), /another event/],
    ['is neither an event nor set aside', line({ ...entry, quarantined: 1 }), /quarantine/],
    ['says two things', packet => certifiedAs(packet, `{"eventId":"", "eventId":"${eventId}"}`), /canonical/],
  ])('whose certified line %s', (_, conspire, why) => {
    const made = certifiedRound({ events: [[sampleEvent(0)]], conspire })
    expect(levelOf(canonicalJson(made.proof(0, 0)), trustIn(made))).toMatch(why)
  })

  test('but not for a certified line that sets the event aside, which is shown as that', () => {
    const made = certifiedRound({ events: [[sampleEvent(0)]], conspire: line({ ...entry, rejected: true }) })
    expect(verifyProof(canonicalJson(made.proof(0, 0)), trustIn(made))).toMatchObject({
      level: 'proven',
      event: { outcome: 'rejected' },
    })
  })

  /** The packet as if this one line were what validate made of it. */
  function certifiedAs(packet: RoundPacket, text: string): RoundPacket {
    const bytes = utf8(`${text}\n`)
    const outputHash = sha256Hex(bytes)
    const content = { contentHash: outputHash, count: 1, merkleRoot: toHex(leafHash(utf8(text))) }
    const manifest = { ...packet.certified.manifest, content }
    const certified = {
      manifest,
      manifestJson: canonicalJson(manifest),
      versionId: orThrow(versionIdOf(manifest)),
    }
    return { ...packet, validated: { ...packet.validated, bytes, outputHash }, certified }
  }

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

  const assay = '/manifest/provenance/assay'
  test.each<[string, Json]>([
    ['/round/try', 1 + 2 ** 32],
    ['/round/count', 2 + 2 ** 32],
    ['/round/count', 65],
    ['/block', 'ab'.repeat(2049)],
    ['/beef', 'ab'.repeat(1024 * 1024 + 1)],
    ['/event/path', Array(300_000).fill('')],
    [`${assay}/sources`, Array(300_000).fill({})],
    [`${assay}/sources/0/sourceId`, ''],
    [`${assay}/parent`, null],
    [`${assay}/outcome`, { fused: 0, late: 3, lines: 3, quarantined: 1 }],
    ['/manifest/provenance/createdAt', '2026-05-28T20:26:47Z'],
  ])('or unreadable, and told where: %s', (pointer, value) => {
    expect(verifyProof(altered(pointer, value), trust)).toMatchObject({
      kind: 'unreadable',
      fault: { code: 'proof-unreadable', pointer },
    })
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
const beefBitStep = process.env['ASSAY_EVERY_BIT'] ? 1 : 389

describe('a changed proof', () => {
  test('never passes for the one that was made: bits of every hex member', () => {
    const caught = { unreadable: 0, invalid: 0, valid: 0 }
    for (const { pointer, value } of leavesOf(json)) {
      const bytes = typeof value === 'string' && value.length > 1 ? fromHex(value) : undefined
      if (bytes === undefined) continue
      const step = pointer === '/beef' ? beefBitStep : bitStep
      for (let bit = pointer.length % step; bit < bytes.length * 8; bit += step) {
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
