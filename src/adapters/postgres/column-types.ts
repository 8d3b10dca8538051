import pg from 'pg'

/**
 * How columns become values, in our connections only: pg's own table belongs to the whole process, which may be
 * somebody else's.
 */
export const columnTypes = new pg.TypeOverrides()

const [int8, int8Array, textArray] = [20, 1016, 1009]
const readTexts = pg.types.getTypeParser(textArray)

columnTypes.setTypeParser(int8, safeNumber)
columnTypes.setTypeParser(int8Array, text => readTexts(text).map(safeNumberOrNull))

function safeNumberOrNull(text: string | null): number | null {
  return text === null ? null : safeNumber(text)
}

/** Heights, counts, satoshis and milliseconds all fit. What does not would be another number without a word. */
function safeNumber(text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value))
    throw new RangeError(`bigint ${text} cannot be held exactly as a number; select it as text`)
  return value
}
