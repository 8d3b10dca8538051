import { LockingScript, Script, Transaction as SdkTransaction, TransactionSignature } from '@bsv/sdk'
import { native, publicKeyOf, sign } from '../../../src/contract/curve.node.ts'
import { encodeDer } from '../../../src/contract/der.ts'
import { negated } from '../../../src/contract/scalar.ts'
import { keyHash, p2pkhLock, tokenLock } from '../../../src/contract/script.ts'
import {
  type Output,
  outpointBytes,
  readTransaction,
  type Transaction,
  u32le,
  varInt,
} from '../../../src/contract/transaction.ts'
import { concat, concatAll, utf8 } from '../../../src/core/bytes.ts'
import { orThrow } from '../../../src/core/fault.ts'
import { pushData } from '../../../src/core/script-push.ts'
import { sha256 } from '../../../src/core/sha256.node.ts'

/* Spends in every variant that an interpreter has an opinion about: which lock, unlocked how, in what transaction. */

const secret = (name: string) => sha256(`spender ${name}`)
const [own, other, third] = [secret('own'), secret('other'), secret('third')]
const keys = [own, other, third].map(publicKeyOf)
const [key = own, otherKey = own, thirdKey = own] = keys
const full = native?.publicKeyConvert(key, false) ?? key
const hybrid = Uint8Array.from(full, (byte, i) => (i === 0 ? 6 + ((full[64] ?? 0) & 1) : byte))
const bytes = (...list: number[]) => Uint8Array.from(list)
const op = {
  drop2: 0x6d,
  drop: 0x75,
  checkSig: 0xac,
  multiSig: 0xae,
  return: 0x6a,
  true: 0x51,
  add: 0x93,
  sha: 0xa8,
  equal: 0x87,
  if: 0x63,
  else: 0x67,
  endIf: 0x68,
  separator: 0xab,
  dup: 0x76,
  verify: 0x69,
  cltv: 0xb1,
  size: 0x82,
  nop: 0x61,
}
const fieldsOf = (count: number) => Array.from({ length: count }, (_, i) => utf8(`field ${i}`))

/** `signers`: how many signatures unlock it; `keyed`: a public key follows. */
type Lock = {
  readonly script: Uint8Array
  readonly signers: readonly Uint8Array[]
  readonly keys: readonly Uint8Array[]
  readonly before?: Uint8Array
}
const p2pkh = (of: Uint8Array) => concat(bytes(0x76, 0xa9, 20), keyHash(of), bytes(0x88, 0xac))
const signed: readonly Uint8Array[] = [own]

const locks: Readonly<Record<string, Lock>> = {
  'pay to key hash': { script: p2pkhLock(key), signers: signed, keys: [key] },
  'hash of an uncompressed key': { script: p2pkh(full), signers: signed, keys: [full] },
  'hash of a hybrid key': { script: p2pkh(hybrid), signers: signed, keys: [hybrid] },
  'our token': { script: tokenLock(key, fieldsOf(5)), signers: signed, keys: [] },
  'a token of six fields': {
    script: concat(
      bytes(33),
      key,
      bytes(op.checkSig),
      ...fieldsOf(6).map(pushData),
      bytes(op.drop2, op.drop2, op.drop2),
    ),
    signers: signed,
    keys: [],
  },
  'a token that leaves a field': {
    script: concat(
      bytes(33),
      key,
      bytes(op.checkSig),
      ...fieldsOf(5).map(pushData),
      bytes(op.drop2, op.drop2),
    ),
    signers: signed,
    keys: [],
  },
  'pay to key': { script: concat(pushData(key), bytes(op.checkSig)), signers: signed, keys: [] },
  'after a separator': {
    script: concat(bytes(op.nop, op.separator), pushData(key), bytes(op.checkSig)),
    signers: signed,
    keys: [],
  },
  'two of three': {
    script: concat(
      bytes(0x52),
      pushData(key),
      pushData(otherKey),
      pushData(thirdKey),
      bytes(0x53, op.multiSig),
    ),
    signers: [own, third],
    keys: [],
    before: bytes(0),
  },
  'one of two, dummy not empty': {
    script: concat(bytes(0x51), pushData(key), pushData(otherKey), bytes(0x52, op.multiSig)),
    signers: signed,
    keys: [],
    before: bytes(0x51),
  },
  anybody: { script: bytes(op.true), signers: [], keys: [] },
  nobody: { script: bytes(0), signers: [], keys: [] },
  data: { script: concat(bytes(0, op.return), pushData(utf8('data'))), signers: [], keys: [] },
  'true, then data': {
    script: concat(bytes(op.true, op.return), bytes(0xff, 0x4e, 0xff)),
    signers: [],
    keys: [],
  },
  'a return within a condition': {
    script: bytes(op.true, op.true, op.if, op.return, op.endIf),
    signers: [],
    keys: [],
  },
  'a sum': { script: concat(bytes(0x52, 0x53, op.add, 0x55, op.equal)), signers: [], keys: [] },
  'a hash': {
    script: concat(bytes(op.sha), pushData(sha256('x')), bytes(op.equal)),
    signers: [],
    keys: [],
    before: pushData(utf8('x')),
  },
  'a condition left open': { script: bytes(op.true, op.if, op.true), signers: [], keys: [] },
  'an unknown opcode': { script: bytes(op.true, 0xfe), signers: [], keys: [] },
  'a push beyond the end': { script: bytes(op.true, 0x4c, 0xff, 1), signers: [], keys: [] },
  'a long-winded push': { script: bytes(0x4c, 1, 7), signers: [], keys: [] },
  'a lock time': { script: bytes(0x55, op.cltv, op.drop, op.true), signers: [], keys: [] },
}

type Signing = { readonly scope: number; readonly by?: Uint8Array; spell?(der: Uint8Array): Uint8Array }
const scopes = [0x41, 0x42, 0x43, 0xc1, 0xc2, 0xc3, 0x01, 0x02, 0x03, 0x81, 0x61, 0x63, 0x40, 0x00, 0x7f]
const signings: Readonly<Record<string, Signing>> = {
  ...Object.fromEntries(scopes.map(scope => [`scope ${scope.toString(16)}`, { scope }])),
  'by another': { scope: 0x41, by: secret('stranger') },
  'high S': { scope: 0x41, spell: der => highS(der) },
  'padded R': {
    scope: 0x41,
    spell: der => concat(bytes(0x30, (der[1] ?? 0) + 1, 2, (der[3] ?? 0) + 1, 0), der.subarray(4)),
  },
  'a byte more': { scope: 0x41, spell: der => concat(der, bytes(0)) },
  'a byte less': { scope: 0x41, spell: der => der.subarray(0, -1) },
  'another bit': { scope: 0x41, spell: der => der.map((byte, i) => (i === 12 ? byte ^ 1 : byte)) },
  'length in two bytes': { scope: 0x41, spell: der => concat(bytes(0x30, 0x81), der.subarray(1)) },
  'no DER': { scope: 0x41, spell: der => bytes(...der.subarray(1), 0x30) },
}

type Script_ = (signatures: readonly Uint8Array[], lock: Lock) => Uint8Array
const before = (lock: Lock) => lock.before ?? new Uint8Array()
const plain: Script_ = (signatures, lock) =>
  concat(before(lock), ...signatures.map(pushData), ...lock.keys.map(pushData))
const scripts: Readonly<Record<string, Script_>> = {
  'as usual': plain,
  'one item more': (signatures, lock) => concat(bytes(op.true), plain(signatures, lock)),
  'an opcode': (signatures, lock) => concat(bytes(op.true, op.drop), plain(signatures, lock)),
  'signatures left empty': (signatures, lock) =>
    plain(
      signatures.map(() => new Uint8Array()),
      lock,
    ),
  nothing: () => new Uint8Array(),
  'long-winded pushes': (signatures, lock) =>
    concat(
      before(lock),
      ...[...signatures, ...lock.keys].map(item => concat(bytes(0x4c, item.length), item)),
    ),
  'in reverse': (signatures, lock) =>
    concat(before(lock), ...lock.keys.map(pushData), ...signatures.toReversed().map(pushData)),
  'another key': (signatures, lock) =>
    concat(before(lock), ...signatures.map(pushData), ...lock.keys.map(() => pushData(otherKey))),
  'a key of no kind': (signatures, lock) =>
    concat(
      before(lock),
      ...signatures.map(pushData),
      ...lock.keys.map(item => pushData(concat(bytes(5), item.subarray(1)))),
    ),
  'a condition': (signatures, lock) => concat(plain(signatures, lock), bytes(op.true, op.if)),
}

type Form = {
  readonly version: number
  readonly sequence: number
  readonly lockTime: number
  readonly outputs: number
  readonly pays: number
}
const settled: Form = { version: 1, sequence: 0xffff_ffff, lockTime: 0, outputs: 2, pays: 900 }
const forms: Readonly<Record<string, Form>> = {
  settled: settled,
  'version 2': { ...settled, version: 2 },
  'version 0': { ...settled, version: 0 },
  'a negative version': { ...settled, version: 0xffff_ffff },
  'a lock time': { ...settled, sequence: 5, lockTime: 700_000 },
  'one output': { ...settled, outputs: 1 },
  'all of the money': { ...settled, pays: 2000 },
  'more than the money': { ...settled, pays: 2001 },
}

export type SpendCase = {
  readonly name: string
  readonly spender: Transaction
  readonly spent: Output
}

/** Two outputs of each lock. */
export const lockScripts = Object.values(locks).map(({ script }) => script)

/**
 * Spend number `i` of a list without end: `parent` holds, at `2 * lock` and the output after it, what it spends.
 * The first few hundred meet every lock, signing, script and form; the rest, more and more of their combinations.
 */
export function spendCase(i: number, parent: Transaction): SpendCase {
  const [lockName, lock, lockIndex] = pick(locks, i)
  // Half of all only change one thing, so that enough of them are valid.
  const [signingName, signing] =
    i % 2 === 0
      ? pick(signings, Math.floor(i / 2 / Object.keys(locks).length))
      : pick(signings, i % 3 === 0 ? Math.floor(i / 7) : 0)
  const [scriptName, script] = pick(scripts, i % 4 === 1 ? Math.floor(i / 4 / Object.keys(locks).length) : 0)
  const [formName, form] = pick(
    forms,
    i % 8 === 3 ? Math.floor(i / 8) : i % 16 === 5 ? Math.floor(i / 16) : 0,
  )
  const vouts = [2 * lockIndex, 2 * lockIndex + 1]
  const unsigned = assemble(
    parent,
    vouts.map(() => new Uint8Array()),
    vouts,
    form,
    i,
  )
  const spentAt = (vout: number): Output => parent.outputs[vout] ?? { satoshis: 0, script: new Uint8Array() }
  const unlocks = vouts.map((vout, input) => {
    // The second input is always unlocked as it should be; whatever is wrong is wrong with the first.
    const {
      scope,
      by,
      spell = (der: Uint8Array) => der,
    } = input === 0 ? signing : ({ scope: 0x41 } as Signing)
    const signatures = lock.signers.map(signer =>
      concat(
        spell(encodeDer(sign(coveredBy(unsigned, input, spentAt(vout), scope, lockName), by ?? signer))),
        bytes(scope),
      ),
    )
    return (input === 0 ? script : plain)(signatures, lock)
  })
  return {
    name: `${i}: ${lockName}, ${signingName}, ${scriptName}, ${formName}`,
    spender: assemble(parent, unlocks, vouts, form, i),
    spent: spentAt(vouts[0] ?? 0),
  }
}

function pick<T>(from: Readonly<Record<string, T>>, i: number): [string, T, number] {
  const entries = Object.entries(from)
  const index = i % entries.length
  const entry = entries[index]
  if (entry === undefined) throw new Error('nothing to pick from')
  return [...entry, index]
}

/** By hand: buildTransaction makes settled ones only. */
function assemble(
  parent: Transaction,
  unlocks: readonly Uint8Array[],
  vouts: readonly number[],
  form: Form,
  i: number,
): Transaction {
  const inputs = vouts.map((vout, at) => {
    const script = unlocks[at] ?? new Uint8Array()
    return concat(
      outpointBytes({ txid: parent.txid, vout }),
      varInt(script.length),
      script,
      u32le(form.sequence),
    )
  })
  const script = utf8(`paid ${i}`)
  const outputs = Array.from({ length: form.outputs }, (_, at) => {
    const satoshis = at === 0 ? form.pays : 0
    return concat(u32le(satoshis), u32le(0), varInt(script.length), script)
  })
  return orThrow(
    readTransaction(
      concat(
        u32le(form.version),
        varInt(inputs.length),
        concatAll(inputs),
        varInt(outputs.length),
        concatAll(outputs),
        u32le(form.lockTime),
      ),
    ),
  )
}

/** What a signature of this scope covers, as the SDK forms it. */
function coveredBy(
  transaction: Transaction,
  inputIndex: number,
  spent: Output,
  scope: number,
  lockName: string,
): Uint8Array {
  const sdk = SdkTransaction.fromBinary([...transaction.raw])
  const input = transaction.inputs[inputIndex]
  if (input === undefined) throw new Error('no input')
  const after = lockName === 'after a separator' ? spent.script.subarray(2) : spent.script
  const context = {
    sourceTXID: input.txid,
    sourceOutputIndex: input.vout,
    sourceSatoshis: spent.satoshis,
    transactionVersion: transaction.version,
    otherInputs: sdk.inputs.filter((_, i) => i !== inputIndex),
    outputs: sdk.outputs,
    inputIndex,
    subscript: new Script(LockingScript.fromBinary([...after]).chunks),
    inputSequence: input.sequence,
    lockTime: transaction.lockTime,
    scope,
  }
  if (TransactionSignature.usesOtdaSingleBug(context)) return bytes(1, ...Array(31).fill(0))
  return sha256(sha256(TransactionSignature.formatBytes(context)))
}

function highS(der: Uint8Array): Uint8Array {
  const rLength = der[3] ?? 0
  const s = der.subarray(6 + rLength)
  const scalar = new Uint8Array(32)
  scalar.set(s.subarray(Math.max(0, s.length - 32)), 32 - Math.min(32, s.length))
  const high = concat(bytes(0), negated(scalar))
  const body = concat(der.subarray(2, 4 + rLength), bytes(2, high.length), high)
  return concat(bytes(0x30, body.length), body)
}
