import { encode } from 'cborg'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readBeef, writeBeef } from '../../src/contract/beef.ts'
import { anyoneVerifyingKey, signDetached } from '../../src/contract/keys.ts'
import { readLock, tokenLock } from '../../src/contract/script.ts'
import { buildTransaction, readTransaction } from '../../src/contract/transaction.ts'
import { concat, knownHex, utf8 } from '../../src/core/bytes.ts'
import { orThrow } from '../../src/core/fault.ts'
import { sha256Hex } from '../../src/core/sha256.node.ts'
import {
  BATCHES_PER_TRANSACTION_MAX,
  type EventsIngestOptions,
  EventsIngestTopicManager,
} from '../../topic-managers/events-ingest.ts'
import { certificateScripts, coins, output, p2pkhSpend, payTo } from '../support/pipeline.ts'
import { mine } from '../support/private-chain.ts'
import { batchToken, beefOf, carrying, paying, publisher, spendOf, stranger } from './batch-transactions.ts'

const inline = batchToken()
const offChain = batchToken({ ndjson: '{"celsius":3}\n', as: 'off-chain' })
const behindUrl = batchToken({ as: { url: 'https://data.example/1' } })
const values = offChain.offChainValues

function admit(
  beef: Uint8Array,
  offChainValues?: Uint8Array,
  options?: EventsIngestOptions,
  coins: number[] = [],
) {
  const read = orThrow(readBeef(beef, { bytesMax: Number.POSITIVE_INFINITY }))
  return new EventsIngestTopicManager(options).admit(read, coins, offChainValues)
}
const nothing = { outputsToAdmit: [], coinsToRetain: [] }

describe('the topic of event batches', () => {
  test('admits every batch of a transaction, and nothing else of it', () => {
    const outputs = [inline.script, behindUrl.script].map(script => output(script))
    const beef = beefOf(paying([payTo(publisher, 5), ...outputs, payTo(publisher, 5)]))
    expect(admit(beef)).toEqual({ outputsToAdmit: [1, 2], coinsToRetain: [] })
  })

  test('takes a mined transaction as well as one with its history', () => {
    const parent = carrying(inline)
    const child = paying([output(behindUrl.script)], [spendOf(parent, 0, inline)])
    const [mined] = mine([coins(publisher, 'other', 1), parent]).slice(1)
    if (mined === undefined) throw new Error('nothing was mined')
    for (const beef of [beefOf(parent, child), beefOf(mined, child), writeBeef([mined])])
      expect(admit(beef).outputsToAdmit).toEqual([0])
  })

  test('keeps every coin that was in it, also when a spend brings nothing new', () => {
    expect(admit(beefOf(paying([])), undefined, {}, [0, 3])).toEqual({
      outputsToAdmit: [],
      coinsToRetain: [0, 3],
    })
  })

  test('wants an off-chain batch with its values, and may be asked again with them', () => {
    const beef = beefOf(carrying(offChain))
    const again = nothing
    expect(admit(beef)).toEqual(again)
    expect(admit(beef, utf8('{"celsius":4}\n'))).toEqual(again)
    expect(admit(beef, values)).toEqual({ outputsToAdmit: [0], coinsToRetain: [] })
  })

  test('admits nothing beside an off-chain batch that lacks its values: it would be too late for that one', () => {
    const beef = beefOf(carrying(inline, offChain))
    expect(admit(beef)).toMatchObject({ outputsToAdmit: [] })
    expect(admit(beef, values)).toMatchObject({ outputsToAdmit: [0, 1] })
  })

  test('does not mind values that no batch asks for', () => {
    expect(admit(beefOf(carrying(inline)), values)).toEqual({ outputsToAdmit: [0], coinsToRetain: [] })
  })

  test('reads off-chain values up to its bound', () => {
    const beef = beefOf(carrying(offChain))
    const length = values?.length ?? 0
    expect(admit(beef, values, { offChainBytesMax: length }).outputsToAdmit).toEqual([0])
    expect(admit(beef, values, { offChainBytesMax: length - 1 }).outputsToAdmit).toEqual([])
  })

  test('admits none of more batches than its bound', () => {
    const outputs = Array.from({ length: BATCHES_PER_TRANSACTION_MAX }, () => output(inline.script))
    expect(admit(beefOf(paying(outputs))).outputsToAdmit).toHaveLength(BATCHES_PER_TRANSACTION_MAX)
    expect(admit(beefOf(paying([...outputs, output(inline.script)])))).toEqual(nothing)
    expect(admit(beefOf(carrying(inline, inline)), undefined, { batchesMax: 1 })).toEqual(nothing)
  })

  test('does not admit a batch on an output without satoshis', () => {
    const beef = beefOf(paying([output(inline.script, 0), output(inline.script)]))
    expect(admit(beef).outputsToAdmit).toEqual([1])
  })

  test('does not admit what others may still change: another version, or a sequence that is not final', () => {
    const settled = carrying(inline)
    const version2 = settled.raw.slice()
    version2[0] = 2
    const sequence = settled.raw.slice()
    const [input] = settled.inputs
    // Version, count and outpoint, the length of the script, the script.
    sequence[4 + 1 + 36 + 1 + (input?.script.length ?? 0)] = 0xfe
    for (const raw of [version2, sequence])
      expect(admit(beefOf(orThrow(readTransaction(raw))))).toEqual(nothing)
  })

  test('does not admit other tokens', () => {
    const [anchor, certificate] = certificateScripts(
      { coordinator: publisher, subject: sha256Hex('round') },
      {
        level: 'basic',
        index: 0,
        packetId: sha256Hex('packet'),
        versionId: sha256Hex('version'),
        parents: [],
      },
    )
    expect(admit(beefOf(paying([output(anchor, 0), output(certificate)])))).toEqual(nothing)
  })
})

describe('the numbers that a host gives', () => {
  const manager = new EventsIngestTopicManager()
  const beef = [...beefOf(carrying(offChain))]

  test('are judged as the bytes are', async () => {
    expect(await manager.identifyAdmissibleOutputs(beef, [], [...(values ?? [])])).toEqual({
      outputsToAdmit: [0],
      coinsToRetain: [],
    })
    // A STEAK has no member for it.
    expect(await manager.identifyAdmissibleOutputs(beef, [])).toEqual(nothing)
  })

  test('admit nothing and keep the coins when they are no BEEF, a BEEF cut short, or one too long', async () => {
    const small = new EventsIngestTopicManager({ beefBytesMax: beef.length - 1 })
    expect(await small.identifyAdmissibleOutputs(beef, [1])).toEqual({
      outputsToAdmit: [],
      coinsToRetain: [1],
    })
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.array(fc.integer({ min: -1, max: 256 }), { maxLength: 60 }),
          fc.nat(beef.length - 1).map(length => beef.slice(0, length)),
          fc.nat(255).map(more => [...beef, more]),
        ),
        async numbers => {
          expect(await manager.identifyAdmissibleOutputs(numbers, [0], [...(values ?? [])])).toEqual({
            outputsToAdmit: [],
            coinsToRetain: [0],
          })
        },
      ),
      { numRuns: 300 },
    )
  })
})

describe('a bad batch', () => {
  const lock = readLock(inline.script)
  const fields = lock?.kind === 'token' ? [...lock.fields] : []
  const key = lock?.kind === 'token' ? lock.key : new Uint8Array()
  const [tag = utf8(''), , subject = utf8(''), body = utf8('')] = fields

  test('is not admitted, whichever bit of it is changed, 400 times', () => {
    fc.assert(
      fc.property(fc.nat(8 * inline.script.length - 1), bit => {
        const script = inline.script.slice()
        script[bit >> 3] = (script[bit >> 3] ?? 0) ^ (1 << (bit & 7))
        expect(admitScript(script)).toEqual([])
      }),
      { numRuns: 400 },
    )
  })

  test('is not admitted with a push changed, cut, grown, left out, doubled or moved, 400 times', () => {
    const change = fc.oneof(
      fc
        .tuple(fc.nat(4), fc.uint8Array({ minLength: 2, maxLength: 80 }))
        .map(([at, other]) => fields.with(at, other)),
      fc
        .tuple(fc.nat(4), fc.integer({ min: 1, max: 3 }))
        .map(([at, less]) => fields.with(at, cut(fields[at], less))),
      fc
        .tuple(fc.nat(4), fc.uint8Array({ minLength: 1, maxLength: 3 }))
        .map(([at, more]) => fields.with(at, concat(fields[at] ?? key, more))),
      fc
        .tuple(fc.nat(4), fc.nat(4))
        .filter(([from, to]) => from !== to)
        .map(([from, to]) => fields.with(to, fields[from] ?? key)),
    )
    fc.assert(
      fc.property(change, changed => {
        expect(admitScript(tokenLock(key, changed))).toEqual([])
      }),
      { numRuns: 400 },
    )
  })

  /** Signed and locked as it should be, whatever it says. */
  function signed(saying: Uint8Array, about = subject, by = publisher, lockedTo = by): Uint8Array {
    const keyId = Buffer.from(about).toString('hex')
    const what = [tag, by.publicKey, about, saying]
    const signature = signDetached(by.privateKey, 'gitdata event batch', keyId, concat(...what))
    const lock = anyoneVerifyingKey(lockedTo.publicKey, 'gitdata event batch', keyId) ?? key
    return tokenLock(lock, [...what, signature])
  }

  const events = utf8('{"celsius":21.5}\n')
  const members = new Map<number, unknown>([
    [0, 'greenhouse'],
    [1, 'sensor-1'],
    [2, 1],
    [3, events],
  ])
  const about = knownHex(sha256Hex(events))
  const saying = (...changes: [number, unknown][]) => signed(encode(new Map([...members, ...changes])), about)

  test('is told from a good one by these cases', () => {
    expect(admitScript(signed(body))).toEqual([0])
    expect(admitScript(saying())).toEqual([0])
  })

  const wrong: [string, Uint8Array][] = [
    ['says another hash than that of its events', signed(encode(members), subject)],
    ['is locked to somebody else', signed(body, subject, publisher, stranger)],
    ['has no events', saying([2, 0])],
    ['has both events and a URL', saying([4, 'https://data.example/1'])],
    ['has a member that nobody knows', saying([5, 1])],
    ['has a name with U+0000', saying([0, 'a\0b'])],
    ['has an empty name', saying([1, ''])],
    ['has a count that is no whole number', saying([2, 1.5])],
    ['has a negative count', saying([2, -1])],
    [
      'has its members in another order',
      signed(encode(new Map([...members].reverse()), { mapSorter: () => 0 }), about),
    ],
    ['has a body after the body', signed(concat(encode(members), Uint8Array.of(0)), about)],
  ]
  test.each(wrong)('is not admitted when it %s, though its publisher signed it', (_, script) => {
    expect(admitScript(script)).toEqual([])
  })

  test('is not admitted under the signature of another', () => {
    const theirs = readLock(signed(body, subject, stranger))
    const signature = theirs?.kind === 'token' ? theirs.fields[4] : undefined
    expect(admitScript(tokenLock(key, fields.with(4, signature ?? key)))).toEqual([])
  })

  test('is not admitted with a high S, or with DER that is not strict', () => {
    const [der = key] = fields.slice(4)
    const rLength = der[3] ?? 0
    const [r, s] = [der.slice(4, 4 + rLength), der.slice(6 + rLength)]
    const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n
    const high = (order - BigInt(`0x${Buffer.from(s).toString('hex')}`)).toString(16).padStart(64, '0')
    const sequence = (...integers: Uint8Array[]) => {
      const inner = concat(...integers.map(each => concat(Uint8Array.of(2, each.length), each)))
      return concat(Uint8Array.of(0x30, inner.length), inner)
    }
    expect(sequence(r, s)).toEqual(der)
    for (const bad of [
      sequence(r, knownHex(`00${high}`)),
      sequence(concat(Uint8Array.of(0), r), s),
      concat(der, Uint8Array.of(0x41)),
    ])
      expect(admitScript(tokenLock(key, fields.with(4, bad)))).toEqual([])
  })
})

const oneCoin = mine([coins(publisher, 'coins of bad batches', 1)])

/** What is admitted of a transaction whose first output has this script. */
function admitScript(script: Uint8Array): number[] {
  const [coin] = oneCoin
  if (coin === undefined) throw new Error('nothing was mined')
  const { txid, vout } = p2pkhSpend(coin, 0, publisher)
  // Unsigned, as whether it may spend is the host's to check, and signing hundreds would only take time.
  const transaction = buildTransaction([{ txid, vout, script: new Uint8Array() }], [output(script)])
  return admit(writeBeef([coin, transaction])).outputsToAdmit
}

function cut(field: Uint8Array = new Uint8Array(), bytes: number): Uint8Array {
  return field.subarray(0, Math.max(2, field.length - bytes))
}
