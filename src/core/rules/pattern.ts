import { RE2JS, RE2JSException, RE2JSSyntaxException, RE2Set } from 're2js'
import { accepted, type Outcome, refused } from '../fault.ts'
import { keepLatest } from './kept.ts'

export const PATTERN_CHARS_MAX = 512
/** Instructions of the compiled program. */
const PATTERN_PROGRAM_MAX = 600
/** What one pattern may keep of the automaton it builds while matching; beyond it, it starts again. */
const AUTOMATON_BYTES_MAX = 256 * 1024
/** Compiling takes up to milliseconds, so compiled patterns are kept. */
const PATTERNS_KEPT_MAX = 512

export type TextPattern = {
  /** Costs at most programSize × text.length steps: whoever asks bounds one of the two. */
  readonly test: (text: string) => boolean
  /** In instructions. */
  readonly programSize: number
}

/**
 * Publishers write patterns and agents run them, so the engine is RE2's: it follows all alternatives at once
 * and never goes back, and no pattern takes longer than program size × text length. What needs going back
 * (backreferences, lookaround) does not exist in it. The pattern may match anywhere, as in ECMAScript.
 */
export function compilePattern(source: string): Outcome<TextPattern> {
  if (source.length > PATTERN_CHARS_MAX)
    return refused(
      'pattern-refused',
      `the pattern has ${source.length} characters, more than ${PATTERN_CHARS_MAX}; shorten it`,
    )
  return compileText(source)
}

const compileText = keepLatest(PATTERNS_KEPT_MAX, compile)

function compile(source: string): Outcome<TextPattern> {
  // The library would read a named backreference as the letter k.
  if (/^(?:[^\\]|\\[^k])*\\k/s.test(source))
    return refused('pattern-refused', 'the pattern has a backreference, which RE2 does not have')
  try {
    const spelled = RE2JS.translateRegExp(source)
    const programSize = RE2JS.compile(spelled).programSize()
    if (programSize > PATTERN_PROGRAM_MAX)
      return refused(
        'pattern-refused',
        `the pattern compiles to ${programSize} instructions, more than ${PATTERN_PROGRAM_MAX}; use smaller repeat counts`,
      )
    // A set of one: the library bounds an automaton's memory for sets only.
    const set = new RE2Set(RE2Set.UNANCHORED, 0, AUTOMATON_BYTES_MAX)
    set.add(spelled)
    set.compile()
    return accepted({ programSize, test: text => set.match(text).length > 0 })
  } catch (error) {
    if (!(error instanceof RE2JSException)) throw error
    const why = error instanceof RE2JSSyntaxException ? error.error : 'it is too large'
    return refused(
      'pattern-refused',
      `the pattern is not RE2 syntax, which has no backreferences and no lookaround: ${why}`,
    )
  }
}
