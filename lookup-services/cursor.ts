import * as z from 'zod'
import { concat, fromHex, knownHex, toHex, u32be, u64be } from '../src/core/bytes.ts'
import type { Outpoint } from '../src/core/rounds/pipeline.ts'

/** Place of an output in the list of all of a service's: no two have the same. */
export type ListPosition = Outpoint & { readonly admittedMs: number }

/** A position as its reader sends it back: time, txid and vout as hex. */
export function cursorOf({ admittedMs, txid, vout }: ListPosition): string {
  return toHex(concat(u64be(admittedMs), knownHex(txid), u32be(vout)))
}

/** A cursor in a query. */
export const cursor = z.string().transform((text, context) => {
  const position = positionOf(text)
  if (position !== undefined) return position
  context.addIssue('not a cursor of this service; send one from the context of an answer, as it was')
  return z.NEVER
})

function positionOf(cursor: string): ListPosition | undefined {
  const bytes = fromHex(cursor)
  if (bytes?.length !== CURSOR_BYTES) return undefined
  const view = new DataView(bytes.buffer)
  const admittedMs = view.getUint32(0) * 0x1_0000_0000 + view.getUint32(4)
  if (!Number.isSafeInteger(admittedMs)) return undefined
  return { admittedMs, txid: toHex(bytes.subarray(8, 40)), vout: view.getUint32(40) }
}

const CURSOR_BYTES = 8 + 32 + 4
