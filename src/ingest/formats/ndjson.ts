import { fromUtf8 } from '../../core/bytes.ts'
import type { Shape } from '../../core/event/adapters/recognize.ts'
import type { ReadItem, ReceivedItem, UnreadItem } from '../arrived.ts'
import { onLine, readItemText, rejectedItem } from './read-item.ts'
import { LF, type TakeItems } from './windows.ts'

/** A JSON text per line; each is judged alone, and blank lines are nothing. */
export function ndjsonTaker(recordBytesMax: number, shape: Shape | undefined): TakeItems {
  let line = 0

  function readLines(text: string, items: ReceivedItem[]) {
    for (let start = 0; start < text.length; ) {
      const newline = text.indexOf('\n', start)
      const end = newline < 0 ? text.length : newline
      line++
      if (!isBlank(text, start, end)) items.push(new UnreadLine(text, start, end, line, shape))
      start = end + 1
    }
  }

  /** Where some bytes are not UTF-8, which costs the lines that they are in. */
  function readLinesApart(bytes: Uint8Array, items: ReceivedItem[]) {
    for (let start = 0; start < bytes.length; ) {
      const newline = bytes.indexOf(LF, start)
      const end = newline < 0 ? bytes.length : newline + 1
      const text = fromUtf8(bytes.subarray(start, end))
      if (text !== undefined) readLines(text, items)
      else items.push(rejectedItem('json-unreadable', `line ${++line}: the bytes are not UTF-8`))
      start = end
    }
  }

  return (window, rest) => {
    const items: ReceivedItem[] = []
    const used = rest === 'ended' ? window.length : window.lastIndexOf(LF) + 1
    if (used === 0 && rest === 'full') {
      line++
      items.push(
        rejectedItem(
          'json-too-large',
          `line ${line}: it is longer than ${recordBytesMax} bytes; send less in one event`,
        ),
      )
      return { items, used: window.length, skipsLine: true }
    }

    const lines = window.subarray(0, used)
    const text = fromUtf8(lines)
    if (text !== undefined) readLines(text, items)
    else readLinesApart(lines, items)
    return { items, used }
  }
}

/** What is kept of a line until its event is wanted, and while it is being written: where it stands. */
class UnreadLine implements UnreadItem {
  readonly #text: string
  readonly #start: number
  readonly #end: number
  readonly #line: number
  readonly #shape: Shape | undefined

  constructor(text: string, start: number, end: number, line: number, shape: Shape | undefined) {
    this.#text = text
    this.#start = start
    this.#end = end
    this.#line = line
    this.#shape = shape
  }

  /** Two for each character: what is not Latin takes as much. */
  get bytes(): number {
    return 2 * (this.#end - this.#start)
  }

  read(): ReadItem {
    return onLine(this.#line, readItemText(this.#text, this.#shape, this.#start, this.#end))
  }
}

function isBlank(text: string, start: number, end: number): boolean {
  for (let i = start; i < end; i++) {
    const unit = text.charCodeAt(i)
    if (unit !== SPACE && unit !== TAB && unit !== CR) return false
  }
  return true
}

const TAB = 0x09
const CR = 0x0d
const SPACE = 0x20
