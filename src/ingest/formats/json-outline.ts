/** What can be told of a JSON text before it is parsed, at less than parsing costs. */
export type Outline = {
  readonly members: number
  /** Objects, lists, and the values in them beside the first of each. */
  readonly parts: number
}

/**
 * Of the text from `start` to `end`: of a string that is cut from another one each character takes longer to read.
 * Undefined where it nests deeper than `depthMax`. Of a text that is not JSON it says nothing of use, and does no
 * harm: whoever asked parses it next.
 */
export function outlineJson(
  text: string,
  depthMax: number,
  start = 0,
  end = text.length,
): Outline | undefined {
  let members = 0
  let opened = 0
  let commas = 0
  let depth = 0
  // By index: every byte of every event passes here.
  for (let i = start; i < end; i++) {
    const unit = text.charCodeAt(i)
    if (unit === QUOTE) i = endOfString(text, i, end)
    else if (unit === COLON) members++
    else if (unit === COMMA) commas++
    else if ((unit & EITHER_BRACKET) === OPENING) {
      opened++
      if (++depth > depthMax) return undefined
    } else if ((unit & EITHER_BRACKET) === CLOSING) depth--
  }
  return { members, parts: commas + opened }
}

/** How many members each element has, all told, of the list that opens at `start` in a text that is JSON; of an empty list, one 0. */
export function membersByElement(text: string, start: number): number[] {
  const counts: number[] = []
  let depth = 0
  let members = 0
  for (let i = start; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if (depth === 1 && (unit === COMMA || unit === CLOSING_BRACKET)) {
      counts.push(members)
      members = 0
    }
    if (unit === QUOTE) i = endOfString(text, i)
    else if (unit === COLON) members++
    else if ((unit & EITHER_BRACKET) === OPENING) depth++
    else if ((unit & EITHER_BRACKET) === CLOSING && --depth === 0) break
  }
  return counts
}

/** Where the list opens that the outermost object of a JSON text has under `name`: the last one, which is the one that counts. */
export function startOfList(text: string, name: string): number | undefined {
  let found: number | undefined
  let token = ''
  let depth = 0
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if (unit === QUOTE) {
      const end = endOfString(text, i)
      if (depth === 1) token = text.slice(i, end + 1)
      i = end
    } else if ((unit & EITHER_BRACKET) === OPENING) {
      // Spelled with escapes or without, it is the same name.
      if (depth === 1 && unit === OPENING_BRACKET && JSON.parse(token) === name) found = i
      depth++
    } else if ((unit & EITHER_BRACKET) === CLOSING) depth--
  }
  return found
}

function endOfString(text: string, start: number, end = text.length): number {
  let i = start + 1
  for (; i < end; i++) {
    const unit = text.charCodeAt(i)
    if (unit === QUOTE) break
    if (unit === BACKSLASH) i++
  }
  return i
}

const QUOTE = 0x22
const COMMA = 0x2c
const COLON = 0x3a
const OPENING_BRACKET = 0x5b
const BACKSLASH = 0x5c
const CLOSING_BRACKET = 0x5d
/** Makes one of a square bracket and a brace. No other character of JSON outside of strings comes out as either. */
const EITHER_BRACKET = 0xdf
const OPENING = 0x5b
const CLOSING = 0x5d
