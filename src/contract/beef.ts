import { concat, concatAll, sameBytes } from '../core/bytes.ts'
import type { Outcome } from '../core/fault.ts'
import {
  BUMP_BYTES_MIN,
  type Bump,
  mergeBumps,
  type Refuse,
  takeBump,
  throwing,
  trimBump,
  writeBump,
} from './bump.ts'
import { type ByteReader, readWhole } from './byte-reader.ts'
import {
  nowhere,
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
 * `minimal` also refuses what writeBeef would not have written: anything the subject does not need, and any
 * other order.
 */
export function readBeef(
  bytes: Uint8Array,
  { minimal = false, bytesMax = BEEF_BYTES_MAX }: { minimal?: boolean; bytesMax?: number } = {},
): Outcome<Beef> {
  return readWhole(bytes, 'transaction-invalid', from => {
    if (bytes.length > bytesMax) from.refuse(`a BEEF is longer than ${bytesMax} bytes`)
    if (from.u32() !== BEEF_V1) from.refuse('the bytes are not a BEEF of version 1')
    const beef = takeBeef(from, version1)
    if (minimal && !sameBytes(minimalForm(beef, from.refuse), bytes))
      from.refuse(
        'a BEEF is not in its minimal form: the subject with what it needs, in the order of its inputs',
      )
    return beef
  })
}

/** The last of these, with all of them that it needs: the one minimal spelling. */
export function writeBeef(transactions: readonly BeefTransaction[]): Uint8Array {
  const subject = transactions.at(-1)
  if (subject === undefined) throw new Error('a BEEF holds at least its subject')
  return minimalForm({ subject, byTxid: new Map(transactions.map(each => [each.txid, each])) }, throwing)
}

/**
 * All of these, each with whatever of the others it needs: a reader may take any of them for the subject. Where
 * one is given with a block proof and without, the proof counts.
 */
export function writeMergedBeef(transactions: readonly BeefTransaction[]): Uint8Array {
  const byTxid = new Map<string, BeefTransaction>()
  for (const each of transactions)
    if (each.proof !== undefined || !byTxid.has(each.txid)) byTxid.set(each.txid, each)
  // By root as well: of two subjects, one may still hold the proof of a block that is no longer in the chain.
  const nameOf = ({ height, root }: Bump) => `${height} ${root}`
  return written(parentsFirst([...byTxid.values()], byTxid), nameOf, throwing)
}

type Linked = Pick<Beef, 'subject' | 'byTxid'>

function minimalForm(beef: Linked, refuse: Refuse): Uint8Array {
  return written(ancestry(beef), ({ height }) => `${height}`, refuse)
}

/** In this order; one path per block, in order of first use. */
function written(
  transactions: readonly BeefTransaction[],
  blockOf: (proof: Bump) => string,
  refuse: Refuse,
): Uint8Array {
  const blocks = blocksOf(transactions, blockOf)
  const places = new Map([...blocks.keys()].map((block, place) => [block, place]))
  const bumps = [...blocks.values()].map(({ proofs, txids }) =>
    writeBump(trimBump(mergeBumps([...proofs], refuse), txids)),
  )
  const entries = transactions.flatMap(({ raw, proof }) => {
    const place = proof && places.get(blockOf(proof))
    return [raw, place === undefined ? Uint8Array.of(0) : concat(Uint8Array.of(1), varInt(place))]
  })
  return concat(
    u32le(BEEF_V1),
    varInt(bumps.length),
    concatAll(bumps),
    varInt(transactions.length),
    concatAll(entries),
  )
}

/** The subject and all that it descends from, back to what is proven; each once, its parents before it. */
export function ancestry({ subject, byTxid }: Linked): BeefTransaction[] {
  return parentsFirst([subject], byTxid)
}

/** The same of several, each transaction once, as a walk over the inputs meets them. */
export function parentsFirst(
  subjects: readonly BeefTransaction[],
  byTxid: ReadonlyMap<string, BeefTransaction>,
): BeefTransaction[] {
  const open = (transaction: BeefTransaction) => ({
    transaction,
    parents: (transaction.proof === undefined ? transaction.inputs : []).values(),
  })
  const done: BeefTransaction[] = []
  const met = new Set<string>()
  for (const subject of subjects) {
    if (met.has(subject.txid)) continue
    met.add(subject.txid)
    // By hand: a chain of spends may be longer than the stack is deep.
    const path = [open(subject)]
    for (let last = path.at(-1); last !== undefined; last = path.at(-1)) {
      const { value: input } = last.parents.next()
      const parent = input && byTxid.get(input.txid)
      if (input === undefined) {
        done.push(last.transaction)
        path.pop()
      } else if (parent !== undefined && !met.has(parent.txid)) {
        met.add(parent.txid)
        path.push(open(parent))
      }
    }
  }
  return done
}

type Block = { readonly proofs: Set<Bump>; readonly txids: Set<string> }

/** What is proven to be in which block, and by which paths. */
function blocksOf(
  transactions: readonly BeefTransaction[],
  blockOf: (proof: Bump) => string,
): Map<string, Block> {
  const blocks = new Map<string, Block>()
  for (const { proof, txid } of transactions) {
    if (proof === undefined) continue
    const block = blocks.get(blockOf(proof)) ?? { proofs: new Set(), txids: new Set() }
    block.proofs.add(proof)
    block.txids.add(txid)
    blocks.set(blockOf(proof), block)
  }
  return blocks
}

export const BEEF_V1 = 0xefbe_0001

/** A transaction, and the place of the path that proves it. */
export type Entry = { readonly transaction: Transaction; readonly place: number | undefined }

/** How a version of the format writes one transaction. */
export type EntryFormat = { readonly bytesMin: number; take(from: ByteReader): Entry }

export const version1: EntryFormat = {
  bytesMin: TRANSACTION_BYTES_MIN + 1,
  take(from) {
    const transaction = takeTransaction(from)
    const flag = from.byte()
    if (flag > 1) from.refuse('the byte that says whether a Merkle path follows is neither 0 nor 1')
    return { transaction, place: flag === 0 ? undefined : from.varInt() }
  },
}

/** For readers of other headers: what follows the version number. */
export function takeBeef(
  from: ByteReader,
  format: EntryFormat,
  transactionsMax = Number.POSITIVE_INFINITY,
): Beef {
  const bumps = Array.from({ length: from.count(BUMP_BYTES_MIN) }, () => takeBump(from))
  const byTxid = new Map<string, BeefTransaction>()
  const count = from.count(format.bytesMin)
  if (count > transactionsMax)
    from.refuse(`a BEEF holds ${count} transactions, and ${transactionsMax} are allowed`)
  for (let left = count; left > 0; left--) {
    const { transaction, place } = format.take(from)
    if (byTxid.has(transaction.txid)) from.refuse('a BEEF holds a transaction twice')
    if (place === undefined) {
      refuseMissingParents(transaction, byTxid, from)
      byTxid.set(transaction.txid, transaction)
    } else {
      const proof = proofAt(place, transaction.txid, bumps, from)
      byTxid.set(transaction.txid, { ...transaction, proof })
    }
  }
  const transactions = [...byTxid.values()]
  const subject = transactions.at(-1) ?? from.refuse('a BEEF holds no transaction')
  refuseDoubleSpends(transactions, from)
  return { transactions, subject, byTxid }
}

function proofAt(place: number, txid: string, bumps: readonly Bump[], from: ByteReader): Bump {
  const proof = bumps[place] ?? from.refuse('a transaction names a Merkle path that is not there')
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

function refuseDoubleSpends(transactions: readonly Transaction[], from: ByteReader): void {
  const spent = new Set<string>()
  for (const transaction of transactions)
    for (const input of transaction.inputs) {
      const outpoint = outpointText(input)
      if (outpoint === nowhereText) continue
      if (spent.has(outpoint)) from.refuse('two transactions of the BEEF spend one output')
      spent.add(outpoint)
    }
}

const nowhereText = outpointText(nowhere)
