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
    const bumps = Array.from({ length: from.count(BUMP_BYTES_MIN) }, () => takeBump(from))
    const beef = takeTransactions(from, bumps)
    refuseDoubleSpends(beef, from)
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

type Linked = Pick<Beef, 'subject' | 'byTxid'>

/** Parents before children, as a walk over the inputs meets them; one path per block, in order of first use. */
function minimalForm(beef: Linked, refuse: Refuse): Uint8Array {
  const transactions = ancestry(beef)
  const blocks = blocksOf(transactions)
  const places = new Map([...blocks.keys()].map((height, place) => [height, place]))
  const bumps = [...blocks.values()].map(({ proofs, txids }) =>
    writeBump(trimBump(mergeBumps([...proofs], refuse), txids)),
  )
  const entries = transactions.flatMap(({ raw, proof }) => {
    const place = proof && places.get(proof.height)
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
  const open = (transaction: BeefTransaction) => ({
    transaction,
    parents: (transaction.proof === undefined ? transaction.inputs : []).values(),
  })
  const done: BeefTransaction[] = []
  const met = new Set([subject.txid])
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
  return done
}

type Block = { readonly proofs: Set<Bump>; readonly txids: Set<string> }

/** By height: what is proven to be in which block, and by which paths. */
function blocksOf(transactions: readonly BeefTransaction[]): Map<number, Block> {
  const blocks = new Map<number, Block>()
  for (const { proof, txid } of transactions) {
    if (proof === undefined) continue
    const block = blocks.get(proof.height) ?? { proofs: new Set(), txids: new Set() }
    block.proofs.add(proof)
    block.txids.add(txid)
    blocks.set(proof.height, block)
  }
  return blocks
}

const BEEF_V1 = 0xefbe_0001

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
