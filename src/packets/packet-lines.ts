const NEWLINE = 0x0a

/** Lines that stand at about every n-th part of a packet, without their newlines; the others are not looked at. */
export function* sampleLines(bytes: Uint8Array, samples: number): Generator<string> {
  const buffer = bufferOf(bytes)
  let end = -1
  for (let n = 0; n < samples; n++) {
    const from = Math.floor((n * buffer.length) / samples)
    if (from <= end) continue
    const start = from === 0 ? 0 : buffer.lastIndexOf(NEWLINE, from - 1) + 1
    end = buffer.indexOf(NEWLINE, start)
    if (end < 0) return
    yield buffer.toString('utf8', start, end)
  }
}

/** Lines in which this text stands, in order. A packet without any is looked through once, at the speed of memory. */
export function* linesWith(bytes: Uint8Array, text: string): Generator<string> {
  const buffer = bufferOf(bytes)
  for (let at = buffer.indexOf(text); at >= 0; ) {
    const start = at === 0 ? 0 : buffer.lastIndexOf(NEWLINE, at) + 1
    const end = buffer.indexOf(NEWLINE, at)
    if (end < 0) return
    yield buffer.toString('utf8', start, end)
    at = buffer.indexOf(text, end)
  }
}

/** The same bytes, which Buffer finds things in several times as quickly. */
function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
}
