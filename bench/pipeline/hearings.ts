/** Many rows of five numbers, without an object for each. */
export type Hearings = {
  add(stage: number, stream: number, firstSeq: number, lastSeq: number, atMs: number): void
  each(take: (stage: number, stream: number, firstSeq: number, lastSeq: number, atMs: number) => void): void
}

const WIDTH = 5
const ROWS_AT_FIRST = 65_536

export function openHearings(): Hearings {
  let rows = new Float64Array(ROWS_AT_FIRST * WIDTH)
  let end = 0
  return {
    add(...row) {
      if (end + WIDTH > rows.length) {
        const more = new Float64Array(rows.length * 2)
        more.set(rows)
        rows = more
      }
      rows.set(row, end)
      end += WIDTH
    },
    each(take) {
      for (let at = 0; at < end; at += WIDTH) {
        const [stage = 0, stream = 0, firstSeq = 0, lastSeq = 0, atMs = 0] = rows.subarray(at, at + WIDTH)
        take(stage, stream, firstSeq, lastSeq, atMs)
      }
    },
  }
}
