const NEWLINE = 0x0a
const decoder = new TextDecoder()

/** The lines of a packet, in order, without their newlines; of those that are not wanted, nothing is read. */
export function* linesIn(bytes: Uint8Array, isWanted: (index: number) => boolean): Generator<string> {
  let start = 0
  for (let index = 0; start < bytes.length; index++) {
    const end = bytes.indexOf(NEWLINE, start)
    if (end < 0) return
    if (isWanted(index)) yield decoder.decode(bytes.subarray(start, end))
    start = end + 1
  }
}
