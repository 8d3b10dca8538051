import { CsvError, parse } from 'csv-parse/sync'

export type CsvRow = { readonly fields: readonly string[]; readonly start: number; readonly end: number }

export type CsvRows = {
  readonly rows: readonly CsvRow[]
  /** Up to here the bytes are rows; the next one is unreadable, if not all are used. */
  readonly used: number
  /** `open`: a quote has no end here. `stray`: one stands where none may. */
  readonly flaw?: 'open' | 'stray'
}

/** As many rows of CSV (RFC 4180) as can be read from the start. Lines end with LF or CRLF, and empty ones are nothing. */
export function readCsvRows(bytes: Uint8Array, delimiter: string): CsvRows {
  const rows: CsvRow[] = []
  let used = 0
  try {
    parse(bytes, {
      delimiter,
      record_delimiter: ['\r\n', '\n'],
      skip_empty_lines: true,
      // How many fields a row must have is for its reader to say, row by row.
      relax_column_count: true,
      on_record: (fields: string[], { bytes: end }) => {
        rows.push({ fields, start: used, end })
        used = end
        return null
      },
    })
    return { rows, used: bytes.length }
  } catch (error) {
    const flaw = error instanceof CsvError ? flaws.get(error.code) : undefined
    if (flaw === undefined) throw error
    return { rows, used, flaw }
  }
}

const flaws = new Map<string, 'open' | 'stray'>([
  ['CSV_QUOTE_NOT_CLOSED', 'open'],
  ['CSV_INVALID_CLOSING_QUOTE', 'stray'],
  ['INVALID_OPENING_QUOTE', 'stray'],
])
