import { fromUtf8 } from '../../core/bytes.ts'
import { fromCsvRow } from '../../core/event/adapters/csv-row.ts'
import { type Fault, FaultError } from '../../core/fault.ts'
import type { ReadItem } from '../arrived.ts'
import { type CsvRow, readCsvRows } from './csv-rows.ts'
import { onLine, rejectedItem } from './read-item.ts'
import { LF, type TakeItems } from './windows.ts'

/**
 * Rows under a header row. Of a row that cannot be read one line is given up, and reading goes on with the next: a
 * stray quote costs its own event and not all that follow. Throws a FaultError where the header is of no use.
 */
export function csvTaker(recordBytesMax: number, delimiter: string): TakeItems {
  let header: readonly string[] | undefined
  let line = 1
  let flaws = 0

  function item({ fields }: CsvRow, isUtf8: boolean): ReadItem | undefined {
    if (!isUtf8) return unreadable('the bytes are not UTF-8')
    if (header !== undefined) return { submission: fromCsvRow(header, fields), flags: 0 }
    const columns = fromCsvRow(fields, fields)
    if (!columns.ok) throw new FaultError({ ...columns.fault, code: 'body-unreadable' })
    header = fields
    return undefined
  }

  return (window, rest) => {
    const items: ReadItem[] = []
    const whole = rest === 'ended' ? window.length : window.lastIndexOf(LF) + 1
    const isUtf8 = fromUtf8(window.subarray(0, whole)) !== undefined
    const lineAt = lineCounter(window, line)

    let used = 0
    const reject = (start: number, rejected: ReadItem) => {
      if (header === undefined && !rejected.submission.ok)
        throw new FaultError({
          code: 'body-unreadable',
          detail: `the header row cannot be read: ${rejected.submission.fault.detail}`,
        })
      items.push(onLine(lineAt(afterNewlines(window, start)), rejected))
    }
    while (used < whole) {
      const base = used
      const { rows, flaw, used: taken } = readCsvRows(window.subarray(base, whole), delimiter)
      for (const row of rows) {
        const made = item(
          row,
          isUtf8 || fromUtf8(window.subarray(base + row.start, base + row.end)) !== undefined,
        )
        if (made === undefined) continue
        if (made.submission.ok) items.push(made)
        else reject(base + row.start, made)
      }
      used = base + taken
      if (flaw === undefined) break
      // It may close further on, unless the row would be too long by then.
      if (flaw === 'open' && (rest === 'grows' || (rest === 'full' && used > 0))) break
      if (++flaws > FLAWS_MAX) throw new FaultError(tooManyFlaws)
      reject(used, flaw === 'open' ? openQuote(recordBytesMax) : strayQuote)
      used = afterLine(window, afterNewlines(window, used))
    }

    if (used === 0 && rest === 'full') {
      reject(0, tooLong(recordBytesMax))
      line = lineAt(0) + 1
      return { items, used: window.length, skipsLine: true }
    }
    if (header === undefined && rest === 'ended')
      throw new FaultError({
        code: 'body-unreadable',
        detail: 'the body has no header row; name the columns in the first line',
      })
    line = lineAt(used)
    return { items, used }
  }
}

/** After each the parser begins anew, which costs as much as a hundred rows: nobody may ask for it without end. */
const FLAWS_MAX = 100

const tooManyFlaws: Fault = {
  code: 'body-unreadable',
  detail: `more than ${FLAWS_MAX} rows have quotes that cannot be read; quote whole fields, double the quotes in them, and send the rest again`,
}

function unreadable(detail: string): ReadItem {
  return rejectedItem('event-unreadable', detail)
}

const strayQuote = unreadable(
  'a quote stands inside of a field, or text after a closing quote; quote the whole field, and double the quotes in it',
)

function openQuote(recordBytesMax: number): ReadItem {
  return unreadable(
    `a quote opens and does not close, neither before the body ends nor within ${recordBytesMax} bytes of the row; close it, or double it in a quoted field`,
  )
}

function tooLong(recordBytesMax: number): ReadItem {
  return unreadable(`the row is longer than ${recordBytesMax} bytes; send less in one event`)
}

/** Asked for ever later places, it counts each newline once. */
function lineCounter(bytes: Uint8Array, firstLine: number): (place: number) => number {
  let line = firstLine
  let at = 0
  return place => {
    for (let end = bytes.indexOf(LF, at); end >= 0 && end < place; end = bytes.indexOf(LF, at)) {
      line++
      at = end + 1
    }
    return line
  }
}

function afterLine(bytes: Uint8Array, place: number): number {
  const end = bytes.indexOf(LF, place)
  return end < 0 ? bytes.length : end + 1
}

/** Empty lines before a row count as the start of it. */
function afterNewlines(bytes: Uint8Array, place: number): number {
  let at = place
  while (bytes[at] === LF || (bytes[at] === CR && bytes[at + 1] === LF)) at++
  return at
}

const CR = 0x0d
