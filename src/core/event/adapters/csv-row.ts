import { accepted, type Outcome, refused } from '../../fault.ts'
import { NAME_CHARS_MAX } from '../read-envelope.ts'
import type { Submission } from '../submission.ts'

const CSV_COLUMNS_MAX = 1024

/**
 * Gives a row its column names. Every value stays the text it was: what is a number is for the policy to say,
 * hence a row and a JSON object that mean the same are different payloads.
 */
export function fromCsvRow(header: readonly string[], fields: readonly string[]): Outcome<Submission> {
  const flaw = flawOf(header)
  if (flaw !== undefined) return refused('event-unreadable', flaw)
  if (fields.length !== header.length)
    return refused(
      'event-unreadable',
      `the row has ${fields.length} fields where the header names ${header.length}; quote fields that hold the separator`,
    )
  return accepted({
    payload: Object.fromEntries(header.map((column, i) => [column, fields[i] ?? ''])),
    carried: {},
  })
}

function flawOf(header: readonly string[]): string | undefined {
  if (header.length === 0 || header.length > CSV_COLUMNS_MAX)
    return `the header must name 1 to ${CSV_COLUMNS_MAX} columns`
  const seen = new Set<string>()
  for (const [i, column] of header.entries()) {
    if (column === '' || column.length > NAME_CHARS_MAX || !column.isWellFormed() || column === '__proto__')
      return `column ${i + 1} of the header must have a name of 1 to ${NAME_CHARS_MAX} characters other than __proto__`
    if (seen.has(column)) return `column ${i + 1} of the header repeats a name; name each column once`
    seen.add(column)
  }
  return undefined
}
