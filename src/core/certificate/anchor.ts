import { concat, concatAll, knownHex, sameBytes, toHex, utf8 } from '../bytes.ts'
import { accepted, type Outcome, refused } from '../fault.ts'
import { pushData, readPushes } from '../script-push.ts'

/**
 * The on-chain form of a DLM1 version: OP_FALSE OP_RETURN <"DLM1" ‖ CBOR {"mh": hash, "p"?: [hash…]}>.
 * `mh` comes first and `p` is left out when empty: other readers compare these bytes, so they are fixed here
 * rather than by a CBOR library's idea of order.
 */
export type Anchor = { readonly manifestHash: string; readonly parents: readonly string[] }

export const ANCHOR_PARENTS_MAX = 256

export function anchorScript(anchor: Anchor): Uint8Array {
  return concat(opFalseReturn, pushData(concat(tag, anchorCbor(anchor))))
}

/** Reads both forms in use: one push that holds tag and CBOR, or a push for each; OP_FALSE may be missing. */
export function readAnchor(script: Uint8Array): Outcome<Anchor> {
  const start = dataStart(script)
  if (start === undefined) return refused('anchor-invalid', 'the script is not an OP_RETURN')
  const read = readPushes(script, start)
  if (read === undefined || read.end !== script.length)
    return refused('anchor-invalid', 'the OP_RETURN carries something other than whole, shortest-form pushes')
  const [first = new Uint8Array(), second, ...more] = read.pushes
  if (!sameBytes(first.subarray(0, tag.length), tag) || more.length > 0)
    return refused('anchor-invalid', 'the OP_RETURN is not tagged DLM1')
  if (second === undefined) return readAnchorCbor(first.subarray(tag.length))
  if (first.length !== tag.length)
    return refused('anchor-invalid', 'data stands both inside and after the tag push')
  return readAnchorCbor(second)
}

/** Whether a script is one that nobody can spend: data, tagged DLM1 or not. */
export function isDataScript(script: Uint8Array): boolean {
  return dataStart(script) !== undefined
}

function dataStart(script: Uint8Array): number | undefined {
  return sameBytes(script.subarray(0, 2), opFalseReturn) ? 2 : script[0] === opReturn ? 1 : undefined
}

function anchorCbor({ manifestHash, parents }: Anchor): Uint8Array {
  if (parents.length > ANCHOR_PARENTS_MAX)
    throw new Error(`an anchor holds at most ${ANCHOR_PARENTS_MAX} parents`)
  const mapHead = Uint8Array.of(parents.length > 0 ? 0xa2 : 0xa1)
  const head = concat(mapHead, keyMh, bytes32, knownHex(manifestHash))
  if (parents.length === 0) return head
  const links = parents.flatMap(parent => [bytes32, knownHex(parent)])
  return concat(head, keyP, arrayHead(parents.length), concatAll(links))
}

function readAnchorCbor(cbor: Uint8Array): Outcome<Anchor> {
  const manifestHash = toHex(cbor.slice(headLength - 32, headLength))
  const anchor = { manifestHash, parents: readParents(cbor) }
  // Written again and compared: whatever is not exactly this layout cannot pass.
  if (
    manifestHash.length === 64 &&
    anchor.parents.length <= ANCHOR_PARENTS_MAX &&
    sameBytes(anchorCbor(anchor), cbor)
  )
    return accepted(anchor)
  return refused(
    'anchor-invalid',
    'the DLM1 data is not CBOR {"mh": 32 bytes, "p"?: 1 to 256 times 32 bytes}',
  )
}

function readParents(cbor: Uint8Array): string[] {
  const linkBytes = bytes32.length + 32
  const parents: string[] = []
  for (
    let end = cbor.length;
    end - linkBytes > headLength && parents.length <= ANCHOR_PARENTS_MAX;
    end -= linkBytes
  )
    parents.unshift(toHex(cbor.slice(end - 32, end)))
  return parents
}

function arrayHead(length: number): Uint8Array {
  if (length < 24) return Uint8Array.of(0x80 + length)
  if (length < 256) return Uint8Array.of(0x98, length)
  return Uint8Array.of(0x99, length >> 8, length & 0xff)
}

const opReturn = 0x6a
const opFalseReturn = Uint8Array.of(0x00, opReturn)
const tag = utf8('DLM1')
const keyMh = Uint8Array.of(0x62, 0x6d, 0x68)
const keyP = Uint8Array.of(0x61, 0x70)
const bytes32 = Uint8Array.of(0x58, 0x20)
/** Map head, key, byte-string head, hash. */
const headLength = 1 + keyMh.length + bytes32.length + 32
