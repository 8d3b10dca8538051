/** Short enough to come from the pool: a buffer of its own costs more than an event does. */
const TO_BEGIN_WITH = 1024

/** Lines one after the other, each ended by a newline: bytes that no collector has to walk through. */
export class OfferedLines {
  #bytes: Buffer
  #end = 0

  constructor(bytesExpected = TO_BEGIN_WITH) {
    this.#bytes = Buffer.allocUnsafe(Math.max(TO_BEGIN_WITH, bytesExpected))
  }

  /** Of all lines so far. */
  get byteLength(): number {
    return this.#end
  }

  add(line: string): LinePlace {
    const lineAt = this.#end
    // No character takes more than three bytes.
    if (this.#bytes.length - lineAt < 3 * line.length + 1) this.#makeRoom(Buffer.byteLength(line) + 1)
    this.#end += this.#bytes.write(line, lineAt)
    this.#bytes[this.#end++] = LF
    return { lineAt, lineBytes: this.#end - lineAt }
  }

  /** With its newline. */
  slice(from: number, to: number): Buffer {
    return this.#bytes.subarray(from, to)
  }

  text({ lineAt, lineBytes }: LinePlace): string {
    return this.#bytes.toString('utf8', lineAt, lineAt + lineBytes - 1)
  }

  #makeRoom(bytes: number): void {
    if (this.#bytes.length - this.#end >= bytes) return
    const larger = Buffer.allocUnsafe(Math.max(2 * this.#bytes.length, this.#end + bytes))
    larger.set(this.#bytes.subarray(0, this.#end))
    this.#bytes = larger
  }
}

/** `lineBytes` counts the newline. */
export type LinePlace = { readonly lineAt: number; readonly lineBytes: number }

const LF = 0x0a
