import { concat, sameBytes, u32be } from '../../core/bytes.ts'
import { digest } from '../../core/digest.ts'
import { accepted, type Outcome } from '../../core/fault.ts'
import { RECORD_BYTES_MAX, unreadable } from './records.ts'

/*
 * A file of records: each with its length and a digest over itself and all that came before, so that the digest of the last one
 * names the whole file, and a torn end is told from a changed middle.
 */

const CHAIN_BYTES = 32
export const FRAME_HEAD_BYTES = 4 + CHAIN_BYTES

/** Before the first record. */
export const chainStart: Uint8Array = new Uint8Array(CHAIN_BYTES)

export function chainOn(before: Uint8Array, body: Uint8Array): Uint8Array {
  return digest('assay:export-record:1', before, body)
}

export function frameHead(chain: Uint8Array, body: Uint8Array): Uint8Array {
  return concat(u32be(body.length), chain)
}

export type FrameHead = { readonly bytes: number; readonly chain: Uint8Array }

export function readFrameHead(head: Uint8Array): Outcome<FrameHead> {
  const bytes = new DataView(head.buffer, head.byteOffset, head.length).getUint32(0)
  return bytes <= RECORD_BYTES_MAX
    ? accepted({ bytes, chain: head.slice(4, FRAME_HEAD_BYTES) })
    : unreadable(`a record of ${bytes} bytes is announced, and none has more than ${RECORD_BYTES_MAX}`)
}

/** The chain behind this record, if it is the one that its frame says. */
export function followed(before: Uint8Array, head: FrameHead, body: Uint8Array): Outcome<Uint8Array> {
  const chain = chainOn(before, body)
  return sameBytes(chain, head.chain)
    ? accepted(chain)
    : unreadable('a record is not the one that its digest names: the file was changed or is damaged')
}
