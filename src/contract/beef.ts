import { concat, sameBytes } from '../core/bytes.ts'
import type { Outcome } from '../core/fault.ts'
import { BUMP_BYTES_MIN, type Bump, takeBump, trimBump, writeBump } from './bump.ts'
import { type ByteReader, readWhole } from './byte-reader.ts'
import {
  outpointText,
  TRANSACTION_BYTES_MIN,
  type Transaction,
  takeTransaction,
  u32le,
  varInt,
} from './transaction.ts'

/** BRC-62: a transaction with every ancestor down to those that a block proves. */
export type Beef = {
  /** Parents before children; the last one is the subject. */
  readonly transactions: readonly BeefTransaction[]
  readonly subject: BeefTransaction
  readonly byTxid: ReadonlyMap<string, BeefTransaction>
}

/** `proof`: the path to the block that holds it. Without one, all its parents are in the BEEF. */
export type BeefTransaction = Transaction & { readonly proof?: Bump }

/** A full round's history takes about 64 kB; the rest is room for fuel with many outputs. */
export const BEEF_BYTES_MAX = 1024 * 1024

/**
 * Refuses what another reader could take for something else: bytes too few or too many, numbers in a longer
 * form, a transaction or parent twice, missing or late, an outpoint spent twice by anything in it.
 *
 * `minimal` also refuses what nobody needs: transactions the subject does not descend from, paths and nodes
 * that prove none of them. A minimal BEEF of given transactions and proofs has one spelling up to their order.
 */
export function readBeef(
  bytes: Uint8Array,
  { minimal = false, bytesMax = BEEF_BYTES_MAX }: { minimal?: boolean; bytesMax?: number } = {},
): Outcome<Beef> {
  return readWhole(bytes, 'transaction-invalid', from => {
    if (bytes.length > bytesMax) from.refuse(`a BEEF is longer than ${bytesMax} bytes`)
    if (from.u32() !== BEEF_V1) from.refuse('the bytes are not a BEEF of version 1')
    const bumps = Array.from({ length: from.count(BUMP_BYTES_MIN) }, () => takeSlice(from, takeBump))
    const beef = takeTransactions(
      from,
      bumps.map(bump => bump.value),
    )
    refuseDoubleSpends(beef, from)
    if (minimal) refuseSurplus(beef, bumps, from)
    return beef
  })
}

/** Minimal, in the order given: parents before children, the subject last. */
export function writeBeef(transactions: readonly BeefTransaction[]): Uint8Array {
  const proven = provenTxids(transactions)
  const proofs = [...proven.keys()]
  return concat(
    u32le(BEEF_V1),
    varInt(proofs.length),
    ...proofs.map(proof => writeBump(trimBump(proof, proven.get(proof) ?? new Set()))),
    varInt(transactions.length),
    ...transactions.map(({ raw, proof }) =>
      concat(
        raw,
        proof === undefined ? Uint8Array.of(0) : concat(Uint8Array.of(1), varInt(proofs.indexOf(proof))),
      ),
    ),
  )
}

const BEEF_V1 = 0xefbe_0001

type Slice<T> = { readonly value: T; readonly bytes: Uint8Array }

function takeSlice<T>(from: ByteReader, take: (from: ByteReader) => T): Slice<T> {
  const start = from.position()
  const value = take(from)
  return { value, bytes: from.between(start, from.position()) }
}

function takeTransactions(from: ByteReader, bumps: readonly Bump[]): Beef {
  const byTxid = new Map<string, BeefTransaction>()
  for (let left = from.count(TRANSACTION_BYTES_MIN + 1); left > 0; left--) {
    const transaction = takeTransaction(from)
    if (byTxid.has(transaction.txid)) from.refuse('a BEEF holds a transaction twice')
    const proof = takeProof(from, transaction.txid, bumps)
    if (proof === undefined) refuseMissingParents(transaction, byTxid, from)
    byTxid.set(transaction.txid, proof === undefined ? transaction : { ...transaction, proof })
  }
  const transactions = [...byTxid.values()]
  const subject = transactions.at(-1) ?? from.refuse('a BEEF holds no transaction')
  return { transactions, subject, byTxid }
}

function takeProof(from: ByteReader, txid: string, bumps: readonly Bump[]): Bump | undefined {
  const flag = from.byte()
  if (flag > 1) from.refuse('the byte that says whether a Merkle path follows is neither 0 nor 1')
  if (flag === 0) return undefined
  const proof = bumps[from.varInt()] ?? from.refuse('a transaction names a Merkle path that is not there')
  if (!proof.leaves.has(txid)) from.refuse('a transaction names a Merkle path that is not its own')
  return proof
}

function refuseMissingParents(
  transaction: Transaction,
  earlier: ReadonlyMap<string, Transaction>,
  from: ByteReader,
): void {
  for (const { txid, vout } of transaction.inputs)
    if (earlier.get(txid)?.outputs[vout] === undefined)
      from.refuse('an unproven transaction spends an output that does not come before it in the BEEF')
}

function refuseDoubleSpends({ transactions }: Beef, from: ByteReader): void {
  const spent = new Set<string>()
  for (const transaction of transactions)
    for (const input of transaction.inputs) {
      const outpoint = outpointText(input)
      // Coins that a block makes come from nowhere, all of them from the same nowhere.
      if (outpoint === nowhere) continue
      if (spent.has(outpoint)) from.refuse('two transactions of the BEEF spend one output')
      spent.add(outpoint)
    }
}

const nowhere = outpointText({ txid: '0'.repeat(64), vout: 0xffff_ffff })

function refuseSurplus(beef: Beef, bumps: readonly Slice<Bump>[], from: ByteReader): void {
  if (ancestry(beef).size < beef.transactions.length)
    from.refuse('a BEEF holds a transaction that its subject does not need')
  const proven = provenTxids(beef.transactions)
  for (const { value, bytes } of bumps) {
    const txids = proven.get(value)
    if (txids === undefined || !sameBytes(writeBump(trimBump(value, txids)), bytes))
      from.refuse('a BEEF holds a Merkle path, or a node of one, that proves nothing in it')
  }
}

/** The subject and all that it descends from, each once, back to what is proven. */
export function ancestry({ subject, byTxid }: Beef): ReadonlySet<BeefTransaction> {
  const found = new Set([subject])
  // A set is walked in the order of its growth.
  for (const transaction of found) {
    if (transaction.proof !== undefined) continue
    for (const { txid } of transaction.inputs) {
      const parent = byTxid.get(txid)
      if (parent !== undefined) found.add(parent)
    }
  }
  return found
}

function provenTxids(transactions: readonly BeefTransaction[]): Map<Bump, Set<string>> {
  const proven = new Map<Bump, Set<string>>()
  for (const { proof, txid } of transactions)
    if (proof !== undefined) proven.set(proof, (proven.get(proof) ?? new Set()).add(txid))
  return proven
}
