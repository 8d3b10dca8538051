import type { Outcome } from '../core/fault.ts'
import { ancestry, BEEF_BYTES_MAX, BEEF_V1, type Beef, type EntryFormat, takeBeef, version1 } from './beef.ts'
import { type ByteReader, readWhole } from './byte-reader.ts'
import { hashText, takeTransaction } from './transaction.ts'

/** A round's history has about twenty; each costs its reader a few hundred times as long as one of its bytes. */
export const SUBMITTED_TRANSACTIONS_MAX = 4096
/** Transactions, inputs, outputs and nodes of Merkle paths together: as many as outputs to keys fill a BEEF. */
export const SUBMITTED_ITEMS_MAX = 32_768

/**
 * Whatever wallets send: BRC-62, its version 2 (BRC-96), and either of them with the subject named in front
 * (Atomic BEEF, BRC-95). As strict as readBeef. Of an Atomic BEEF nothing is taken that its subject does not
 * need; any other may hold more, and its last transaction is the subject.
 */
export function readSubmittedBeef(
  bytes: Uint8Array,
  { bytesMax = BEEF_BYTES_MAX }: { bytesMax?: number } = {},
): Outcome<Beef> {
  const read = (from: ByteReader): Beef => {
    if (bytes.length > bytesMax) from.refuse(`a BEEF is longer than ${bytesMax} bytes`)
    const version = from.u32()
    if (version !== ATOMIC_BEEF) return takeBeef(from, formatOf(version, from), SUBMITTED_TRANSACTIONS_MAX)
    const subject = hashText(from.bytes(32))
    const beef = takeBeef(from, formatOf(from.u32(), from), SUBMITTED_TRANSACTIONS_MAX)
    refuseOtherSubjects(beef, subject, from)
    return beef
  }
  return readWhole(bytes, 'transaction-invalid', read, SUBMITTED_ITEMS_MAX)
}

const BEEF_V2 = 0xefbe_0002
const ATOMIC_BEEF = 0x0101_0101

function formatOf(version: number, from: ByteReader): EntryFormat {
  if (version === BEEF_V1) return version1
  if (version === BEEF_V2) return version2
  return from.refuse('the bytes are not a BEEF of version 1 or 2, nor an Atomic BEEF')
}

const version2: EntryFormat = {
  // One byte and a txid: not readable here, but it gets as far as the sentence that says so.
  bytesMin: 1 + 32,
  take(from) {
    const flag = from.byte()
    if (flag === 2)
      from.refuse('a transaction is given as its txid only; send it whole, as this node may not have it')
    if (flag > 2) from.refuse('the byte that says what a transaction comes with is none of 0, 1 and 2')
    const place = flag === 0 ? undefined : from.varInt()
    return { transaction: takeTransaction(from), place }
  },
}

function refuseOtherSubjects(beef: Beef, subject: string, from: ByteReader): void {
  if (!beef.byTxid.has(subject)) from.refuse('an Atomic BEEF does not hold the subject that it names')
  // Parents come first, so the subject is last wherever all of it is needed.
  if (beef.subject.txid !== subject || ancestry(beef).length < beef.transactions.length)
    from.refuse(
      'an Atomic BEEF holds a transaction that its subject does not need; leave it out, or send a plain BEEF',
    )
}
