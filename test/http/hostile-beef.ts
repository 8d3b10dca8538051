import fc from 'fast-check'
import type { BeefTransaction } from '../../src/contract/beef.ts'
import { writeBump } from '../../src/contract/bump.ts'
import { p2pkhLock } from '../../src/contract/script.ts'
import { type Spend, signTransaction } from '../../src/contract/spend.ts'
import { type Transaction, u32le, varInt } from '../../src/contract/transaction.ts'
import { concat, concatAll, knownHex } from '../../src/core/bytes.ts'
import type { Party } from '../support/pipeline.ts'

/** Bytes that somebody submits, and what they are, for a message. */
export type Hostile = { readonly what: string; readonly bytes: Uint8Array }

/** A valid submission, and a long chain of valid spends with what proves its first one. */
export type Material = {
  readonly valid: Uint8Array
  readonly funding: readonly BeefTransaction[]
  readonly chain: readonly Transaction[]
  readonly owner: Party
}

export function malformed({ valid }: Material): fc.Arbitrary<Hostile> {
  const at = fc.nat(valid.length - 1)
  const noise = fc.uint8Array({ minLength: 1, maxLength: 40 })
  const versions = fc.constantFrom([1, 0, 0xbe, 0xef], [2, 0, 0xbe, 0xef], [1, 1, 1, 1])
  const version = versions.map(bytes => Uint8Array.from(bytes))
  const giant = fc.constantFrom('fd0000', 'fdffff', 'feffffffff', 'ffffffffffffffffff', 'ff00000000000000ff')
  return fc.oneof(
    fc.uint8Array({ maxLength: 2000 }).map(bytes => ({ what: 'noise', bytes })),
    fc
      .tuple(version, fc.uint8Array({ maxLength: 2000 }))
      .map(([head, rest]) => ({ what: 'noise after a version', bytes: concat(head, rest) })),
    fc.tuple(at, noise).map(([start, bytes]) => {
      const copy = valid.slice()
      copy.set(bytes.subarray(0, copy.length - start), start)
      return { what: `overwritten at ${start}`, bytes: copy }
    }),
    fc
      .tuple(at, noise)
      .map(([start, bytes]) => ({ what: `with more at ${start}`, bytes: spliced(valid, start, 0, bytes) })),
    fc
      .tuple(at, fc.integer({ min: 1, max: 300 }))
      .map(([start, gone]) => ({ what: `with less at ${start}`, bytes: spliced(valid, start, gone) })),
    fc.tuple(at, giant).map(([start, number]) => ({
      what: `with a giant number at ${start}`,
      bytes: spliced(valid, start, 1, knownHex(number)),
    })),
  )
}

export function truncated({ valid }: Material): fc.Arbitrary<Hostile> {
  return fc
    .integer({ min: 1, max: valid.length - 1 })
    .map(length => ({ what: `cut at ${length}`, bytes: valid.slice(0, length) }))
}

/** Valid, and more than anybody needs: all that fits goes through, and holds nobody up. */
export function deepAndSound({ funding, chain }: Material): fc.Arbitrary<Hostile> {
  return fc.tuple(depthIn(chain), form).map(([count, [name, write]]) => ({
    what: `a sound chain of ${count}, ${name}`,
    bytes: write(entriesOf(funding, chain.slice(0, count))),
  }))
}

export function deepAndBroken(material: Material): fc.Arbitrary<Hostile> {
  const { funding, chain, owner } = material
  const brokenChain = fc.tuple(depthIn(chain), form, fc.nat(1000)).map(([k, [name, write], salt]) => {
    const forged = chain.slice(0, k - 1)
    const parent = forged.at(-1) ?? funding.at(-1)
    if (parent === undefined) throw new Error('no funding')
    const wrong = signTransaction([coinOf(parent, 0, thief.privateKey)], [pay(owner, 1 + salt)])
    return {
      what: `a chain of ${k} with a thief at its end, ${name}`,
      bytes: write(entriesOf(funding, [...forged, wrong])),
    }
  })
  const orphans = fc.integer({ min: 100, max: chain.length - 1 }).map(count => ({
    what: `a chain of ${count} without its beginning`,
    bytes: version1([], entriesOf([], chain.slice(1, count + 1))),
  }))
  const coin = txidBytes(funding[0])
  const after = (raw: Uint8Array) => version1([], [...entriesOf(funding, []), { raw, proof: undefined }])
  const crowd = fc.integer({ min: 4097, max: 9000 }).map(count => ({
    what: `${count} transactions`,
    bytes: version1([], Array<Entry>(count).fill({ raw: unproven(coin, 0, 1), proof: undefined })),
  }))
  const manyInputs = fc.integer({ min: 1000, max: 10_000 }).map(count => ({
    what: `${count} inputs`,
    bytes: after(spendingMany(coin, count)),
  }))
  const manyOutputs = fc
    .integer({ min: 1000, max: 100_000 })
    .map(count => ({ what: `${count} outputs`, bytes: after(unproven(coin, 0, count)) }))
  const giantScript = fc
    .integer({ min: 500_000, max: 1_040_000 })
    .map(length => ({ what: `a script of ${length}`, bytes: after(unproven(coin, length, 1)) }))
  const manyBumps = fc.integer({ min: 100, max: 20_000 }).map(count => ({
    what: `${count} Merkle paths`,
    bytes: version1(
      Array.from({ length: count }, (_, height) => lonePath(height)),
      entriesOf([], chain.slice(0, 1)),
    ),
  }))
  const tall = fc.integer({ min: 2, max: 33 }).map(levels => ({
    what: `a Merkle path of ${levels} levels`,
    bytes: version1([tallPath(levels)], entriesOf([], chain.slice(0, 1))),
  }))
  const wide = fc.integer({ min: 5, max: 14 }).map(levels => ({
    what: `a whole Merkle tree of ${levels} levels`,
    bytes: version1([widePath(levels)], entriesOf([], chain.slice(0, 1))),
  }))
  return fc.oneof(brokenChain, orphans, crowd, manyInputs, manyOutputs, giantScript, manyBumps, tall, wide)
}

/** Orders and references that lead nowhere, or back. */
export function cyclic({ funding, chain }: Material): fc.Arbitrary<Hostile> {
  const some = fc.integer({ min: 3, max: 40 }).map(count => entriesOf(funding, chain.slice(0, count)))
  const first = funding.length
  const swapped = fc.tuple(some, fc.nat(), fc.nat()).map(([entries, a, b]) => {
    const open = entries.length - first
    const [i, j] = [first + (a % open), first + ((a + 1 + (b % (open - 1))) % open)]
    const copy = [...entries]
    ;[copy[i], copy[j]] = [entryAt(entries, j), entryAt(entries, i)]
    return { what: `with ${i} and ${j} exchanged`, entries: copy }
  })
  const backwards = some.map(entries => ({ what: 'backwards', entries: [...entries].reverse() }))
  const twice = fc.tuple(some, fc.nat()).map(([entries, k]) => ({
    what: 'with one of them twice',
    entries: [...entries, entryAt(entries, k % entries.length)],
  }))
  // Nobody can name a txid before it is known: this is as near to a circle as a BEEF gets.
  const circle = fc.tuple(some, fc.nat()).map(([entries, k]) => {
    const at = first + (k % (entries.length - first))
    const raw = entryAt(entries, at).raw.slice()
    raw.set(txidBytes(chain[chain.length - 1]), 5)
    return { what: `with ${at} spending a later one`, entries: entries.with(at, { raw, proof: undefined }) }
  })
  const self = fc.tuple(some, fc.nat()).map(([entries, k]) => {
    const at = first + (k % (entries.length - first))
    const raw = entryAt(entries, at).raw.slice()
    raw.set(txidBytes(chain[at - first]), 5)
    return { what: `with ${at} spending itself`, entries: entries.with(at, { raw, proof: undefined }) }
  })
  const ordered = fc
    .tuple(fc.oneof(swapped, backwards, twice, circle, self), form)
    .map(([{ what, entries }, [name, write]]) => ({ what: `${what}, ${name}`, bytes: write(entries) }))
  const notItsSubject = fc.tuple(some, fc.nat()).map(([entries, k]) => ({
    what: 'an Atomic BEEF that names another subject',
    bytes: concat(
      Uint8Array.of(1, 1, 1, 1),
      txidBytes(chain[k % (entries.length - first - 1)]),
      version1([], entries),
    ),
  }))
  return fc.oneof({ weight: 6, arbitrary: ordered }, { weight: 1, arbitrary: notItsSubject })
}

/** Mostly short, as the whole of it takes its time to send. */
function depthIn(chain: readonly Transaction[]): fc.Arbitrary<number> {
  return fc.oneof(
    { weight: 8, arbitrary: fc.integer({ min: 1, max: 50 }) },
    { weight: 3, arbitrary: fc.integer({ min: 50, max: 1000 }) },
    { weight: 1, arbitrary: fc.constant(chain.length) },
  )
}

/** A chain of spends of one output each, beginning with output `vout` of the funding. */
export function chainOf(funding: Transaction, vout: number, owner: Party, length: number): Transaction[] {
  const chain: Transaction[] = []
  let coin = coinOf(funding, vout, owner.privateKey)
  for (let n = 0; n < length; n++) {
    const next = signTransaction([coin], [pay(owner, coin.spent.satoshis - 1)])
    chain.push(next)
    coin = coinOf(next, 0, owner.privateKey)
  }
  return chain
}

export function coinOf(parent: Transaction, vout: number, privateKey: Uint8Array): Spend {
  const spent = parent.outputs[vout]
  if (spent === undefined) throw new Error(`${parent.txid} has no output ${vout}`)
  return { txid: parent.txid, vout, spent, privateKey }
}

function pay({ publicKey }: Party, satoshis: number) {
  return { satoshis, script: p2pkhLock(publicKey) }
}

const thief = { privateKey: new Uint8Array(32).fill(7) }
const none = new Uint8Array(0)

/** Spends output 0, with a script of so many bytes, and makes empty outputs. */
function unproven(parent: Uint8Array, scriptLength: number, outputs: number): Uint8Array {
  const script = new Uint8Array(scriptLength).fill(0x61)
  return concat(
    u32le(1),
    varInt(1),
    parent,
    u32le(0),
    varInt(scriptLength),
    script,
    u32le(0xffff_ffff),
    varInt(outputs),
    new Uint8Array(9 * outputs),
    u32le(0),
  )
}

function spendingMany(parent: Uint8Array, inputs: number): Uint8Array {
  const places = Array.from({ length: inputs }, (_, vout) => concat(parent, u32le(vout), new Uint8Array(5)))
  return concat(u32le(1), varInt(inputs), concatAll(places), varInt(1), new Uint8Array(9), u32le(0))
}

type Entry = { readonly raw: Uint8Array; readonly proof: BeefTransaction['proof'] | undefined }

function entriesOf(funding: readonly BeefTransaction[], chain: readonly Transaction[]): Entry[] {
  return [...funding, ...chain].map(each => ({ raw: each.raw, proof: (each as BeefTransaction).proof }))
}

function entryAt(entries: readonly Entry[], at: number): Entry {
  const entry = entries[at]
  if (entry === undefined) throw new Error(`no entry ${at}`)
  return entry
}

function txidBytes(transaction: Transaction | undefined): Uint8Array {
  if (transaction === undefined) throw new Error('no such transaction')
  return knownHex(transaction.txid).toReversed()
}

type Write = (entries: readonly Entry[]) => Uint8Array

/** In the order given, whatever it is; with the proofs that the entries carry. */
const form: fc.Arbitrary<[string, Write]> = fc.constantFrom<[string, Write]>(
  ['in version 1', entries => version1([], entries)],
  ['in version 2', entries => version2(entries)],
)

/** `bumps` that nobody asked for go before those of the entries. */
function version1(bumps: readonly Uint8Array[], entries: readonly Entry[]): Uint8Array {
  let place = bumps.length
  const written = entries.map(({ raw, proof }) =>
    concat(raw, proof === undefined ? Uint8Array.of(0) : concat(Uint8Array.of(1), varInt(place++))),
  )
  return beef(0xefbe_0001, [...bumps, ...bumpsOf(entries)], written)
}

function version2(entries: readonly Entry[]): Uint8Array {
  let place = 0
  const written = entries.map(({ raw, proof }) =>
    concat(proof === undefined ? Uint8Array.of(0) : concat(Uint8Array.of(1), varInt(place++)), raw),
  )
  return beef(0xefbe_0002, bumpsOf(entries), written)
}

function beef(version: number, bumps: readonly Uint8Array[], entries: readonly Uint8Array[]): Uint8Array {
  return concat(
    u32le(version),
    varInt(bumps.length),
    concatAll(bumps),
    varInt(entries.length),
    concatAll(entries),
  )
}

function bumpsOf(entries: readonly Entry[]): Uint8Array[] {
  return entries.flatMap(({ proof }) => (proof === undefined ? [] : [writeBump(proof)]))
}

function lonePath(height: number): Uint8Array {
  return concat(varInt(height), Uint8Array.of(1, 1, 0, 2), hash(height))
}

/** One leaf, and its neighbour at every level. */
function tallPath(levels: number): Uint8Array {
  const nodes = Array.from({ length: levels }, (_, level) =>
    level === 0
      ? concat(Uint8Array.of(2, 0, 2), hash(0), Uint8Array.of(1, 0), hash(1))
      : concat(Uint8Array.of(1, 1, 0), hash(level + 1)),
  )
  return concat(varInt(5), Uint8Array.of(levels), concatAll(nodes))
}

/** Every leaf of the tree, and nothing else. */
function widePath(levels: number): Uint8Array {
  const count = 2 ** levels
  const leaves = Array.from({ length: count }, (_, n) => concat(varInt(n), Uint8Array.of(2), hash(n)))
  return concat(
    varInt(5),
    Uint8Array.of(levels),
    varInt(count),
    concatAll(leaves),
    new Uint8Array(levels - 1),
  )
}

function hash(n: number): Uint8Array {
  return concat(u32le(n), new Uint8Array(28))
}

function spliced(bytes: Uint8Array, start: number, gone: number, inserted: Uint8Array = none): Uint8Array {
  return concat(bytes.subarray(0, start), inserted, bytes.subarray(start + gone))
}
