import { sha256 } from '#sha256'
import { concat, concatAll, knownHex, toHex, u32be, u64be } from '../core/bytes.ts'
import type { Outcome } from '../core/fault.ts'
import type { Outpoint } from '../core/rounds/pipeline.ts'
import { type ByteReader, readWhole } from './byte-reader.ts'

export type Transaction = {
  readonly version: number
  readonly inputs: readonly Input[]
  readonly outputs: readonly Output[]
  readonly lockTime: number
  readonly raw: Uint8Array
  /** As explorers print it; hex. */
  readonly txid: string
}

type Input = Outpoint & { readonly script: Uint8Array; readonly sequence: number }
export type Output = { readonly satoshis: number; readonly script: Uint8Array }

const TRANSACTION_BYTES_MAX = 4 * 1024 * 1024
/** All there will ever be. */
const SATOSHIS_MAX = 21_000_000 * 100_000_000
export const FINAL_SEQUENCE = 0xffff_ffff
/** SIGHASH_ALL | SIGHASH_FORKID: the signature covers every input and output, the spent amount included. */
export const SIGHASH_ALL_FORKID = 0x41

export const OUTPOINT_BYTES = 32 + 4
const INPUT_BYTES_MIN = OUTPOINT_BYTES + 1 + 4
const OUTPUT_BYTES_MIN = 8 + 1
/** Smallest that this reader takes: one input and one output with empty scripts. */
export const TRANSACTION_BYTES_MIN = 4 + 1 + INPUT_BYTES_MIN + 1 + OUTPUT_BYTES_MIN + 4
const MERKLE_NODE_BYTES = 64

export function readTransaction(bytes: Uint8Array): Outcome<Transaction> {
  return readWhole(bytes, 'transaction-invalid', takeTransaction)
}

/** For readers of what holds transactions: the next one, refused through `from`. */
export function takeTransaction(from: ByteReader): Transaction {
  const start = from.position()
  const version = from.u32()
  const inputs = Array.from({ length: from.count(INPUT_BYTES_MIN) }, () => takeInput(from))
  const outputs = Array.from({ length: from.count(OUTPUT_BYTES_MIN) }, () => takeOutput(from))
  const lockTime = from.u32()
  const raw = from.between(start, from.position())
  if (inputs.length === 0 || outputs.length === 0) from.refuse('a transaction has no inputs or no outputs')
  if (raw.length > TRANSACTION_BYTES_MAX)
    from.refuse(`a transaction is longer than ${TRANSACTION_BYTES_MAX} bytes`)
  // Two hashes side by side are 64 bytes: such a "transaction" could be an inner node of a Merkle tree.
  if (raw.length === MERKLE_NODE_BYTES)
    from.refuse(`a transaction is ${MERKLE_NODE_BYTES} bytes long, which proves nothing`)
  if (new Set(inputs.map(outpointText)).size < inputs.length)
    from.refuse('a transaction spends one output twice')
  return { version, inputs, outputs, lockTime, raw, txid: hashText(sha256(sha256(raw))) }
}

/** What a block's first transaction spends: its coins come from nowhere, all of them from the same nowhere. */
export const nowhere: Outpoint = { txid: '0'.repeat(64), vout: 0xffff_ffff }

/** One text per outpoint: for keys of maps and for messages. */
export function outpointText({ txid, vout }: Outpoint): string {
  return `${txid}.${vout}`
}

/**
 * What the pipeline adds to what any transaction must be: version 1 and final sequences. Of other versions
 * anybody may change the txid under way, and of other sequences the signer may, and the chain of spends breaks.
 */
export function isSettledForm(transaction: Transaction): boolean {
  return transaction.version === 1 && transaction.inputs.every(input => input.sequence === FINAL_SEQUENCE)
}

/** A transaction of our own, in settled form. */
export function buildTransaction(
  inputs: readonly (Outpoint & { readonly script: Uint8Array })[],
  outputs: readonly Output[],
): Transaction {
  const finalInputs = inputs.map(input => ({ ...input, sequence: FINAL_SEQUENCE }))
  const raw = concat(
    u32le(1),
    varInt(inputs.length),
    concatAll(finalInputs.map(inputBytes)),
    varInt(outputs.length),
    concatAll(outputs.map(outputBytes)),
    u32le(0),
  )
  return { version: 1, inputs: finalInputs, outputs, lockTime: 0, raw, txid: hashText(sha256(sha256(raw))) }
}

/** What the signature of input `index` covers when it spends `spent`, with SIGHASH_ALL | SIGHASH_FORKID. */
export function sighash(transaction: Transaction, index: number, spent: Output): Uint8Array {
  const input = transaction.inputs[index]
  if (input === undefined) throw new Error(`the transaction has no input ${index}`)
  const shared = sharedHashes(transaction)
  const preimage = concat(
    u32le(transaction.version),
    shared.outpoints,
    shared.sequences,
    outpointBytes(input),
    varInt(spent.script.length),
    spent.script,
    u64le(spent.satoshis),
    u32le(input.sequence),
    shared.outputs,
    u32le(transaction.lockTime),
    u32le(SIGHASH_ALL_FORKID),
  )
  return sha256(sha256(preimage))
}

/** As in a transaction's input. */
export function outpointBytes({ txid, vout }: Outpoint): Uint8Array {
  return concat(knownHex(txid).toReversed(), u32le(vout))
}

export function outpointOf(bytes: Uint8Array): Outpoint {
  const view = new DataView(bytes.buffer, bytes.byteOffset, OUTPOINT_BYTES)
  return { txid: hashText(bytes.subarray(0, 32)), vout: view.getUint32(32, true) }
}

export function varInt(value: number): Uint8Array {
  if (value < 0xfd) return Uint8Array.of(value)
  if (value <= 0xffff) return Uint8Array.of(0xfd, value & 0xff, value >> 8)
  if (value <= 0xffff_ffff) return concat(Uint8Array.of(0xfe), u32le(value))
  return concat(Uint8Array.of(0xff), u64le(value))
}

export function u32le(value: number): Uint8Array {
  return u32be(value).reverse()
}

export function u64le(value: number): Uint8Array {
  return u64be(value).reverse()
}

function takeInput(from: ByteReader): Input {
  const outpoint = outpointOf(from.bytes(OUTPOINT_BYTES))
  return { ...outpoint, script: from.bytes(from.varInt()), sequence: from.u32() }
}

function takeOutput(from: ByteReader): Output {
  const satoshis = from.u64()
  if (satoshis > SATOSHIS_MAX) from.refuse('an output holds more satoshis than exist')
  return { satoshis, script: from.bytes(from.varInt()) }
}

function inputBytes(input: Input): Uint8Array {
  return concat(outpointBytes(input), varInt(input.script.length), input.script, u32le(input.sequence))
}

/** As in a transaction. */
export function outputBytes(output: Output): Uint8Array {
  return concat(u64le(output.satoshis), varInt(output.script.length), output.script)
}

type SharedHashes = { outpoints: Uint8Array; sequences: Uint8Array; outputs: Uint8Array }

// Once per transaction, not per input: a hostile one of thousands of inputs would cost their square.
const sharedHashesOf = new WeakMap<Transaction, SharedHashes>()

function sharedHashes(transaction: Transaction): SharedHashes {
  const known = sharedHashesOf.get(transaction)
  if (known !== undefined) return known
  const hashAll = (parts: Uint8Array[]) => sha256(sha256(concatAll(parts)))
  const hashes = {
    outpoints: hashAll(transaction.inputs.map(outpointBytes)),
    sequences: hashAll(transaction.inputs.map(input => u32le(input.sequence))),
    outputs: hashAll(transaction.outputs.map(outputBytes)),
  }
  sharedHashesOf.set(transaction, hashes)
  return hashes
}

/** A hash as explorers print it. */
export function hashText(hash: Uint8Array): string {
  return toHex(hash.toReversed())
}
