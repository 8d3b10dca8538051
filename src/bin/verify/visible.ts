/**
 * One line for the terminal. A sender's text may hold whatever moves a cursor or turns the writing round; escaped
 * as JSON escapes it, it is what it says.
 */
export function visible(line: string): string {
  return line.replace(/\p{C}/gu, odd =>
    Array.from(
      { length: odd.length },
      (_, i) => `\\u${odd.charCodeAt(i).toString(16).padStart(4, '0')}`,
    ).join(''),
  )
}
