import { concat } from './bytes.ts'

/** One data push in its shortest form. */
export function pushData(data: Uint8Array): Uint8Array {
  const length = data.length
  if (length <= 75) return concat(Uint8Array.of(length), data)
  if (length <= 0xff) return concat(Uint8Array.of(0x4c, length), data)
  if (length <= 0xffff) return concat(Uint8Array.of(0x4d, length & 0xff, length >> 8), data)
  return concat(
    Uint8Array.of(0x4e, length & 0xff, (length >> 8) & 0xff, (length >> 16) & 0xff, length >>> 24),
    data,
  )
}

/**
 * The data pushed from `from` on, up to the first opcode that pushes none (`end` is its position). Undefined
 * where a push is cut short or is not in its shortest form, so that a script has one spelling.
 */
export function readPushes(
  script: Uint8Array,
  from: number,
): { pushes: Uint8Array[]; end: number } | undefined {
  const pushes: Uint8Array[] = []
  let at = from
  while (at < script.length) {
    const push = readPush(script, at)
    if (push === 'not-a-push') break
    if (push === undefined) return undefined
    pushes.push(push.data)
    at = push.end
  }
  return { pushes, end: at }
}

function readPush(
  script: Uint8Array,
  at: number,
): { data: Uint8Array; end: number } | 'not-a-push' | undefined {
  const opcode = script[at] ?? 0
  if (opcode > 0x4e) return 'not-a-push'
  const { lengthBytes, longerThan } = pushForms.get(opcode) ?? { lengthBytes: 0, longerThan: -1 }
  let length = lengthBytes === 0 ? opcode : 0
  for (let i = lengthBytes; i > 0; i--) length = length * 256 + (script[at + i] ?? 0)
  const start = at + 1 + lengthBytes
  if (length <= longerThan || start + length > script.length) return undefined
  return { data: script.slice(start, start + length), end: start + length }
}

// OP_PUSHDATA1, 2 and 4: how many bytes of length follow, and the length that the form before it still covers.
const pushForms = new Map([
  [0x4c, { lengthBytes: 1, longerThan: 75 }],
  [0x4d, { lengthBytes: 2, longerThan: 0xff }],
  [0x4e, { lengthBytes: 4, longerThan: 0xffff }],
])
