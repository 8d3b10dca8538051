import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { orThrow } from '../../../src/core/fault.ts'
import { compilePattern, PATTERN_CHARS_MAX } from '../../../src/core/rules/pattern.ts'

describe('a pattern that a publisher sends', () => {
  test.each([
    ['(a+)+$', 'a', '!'],
    ['(a|a)*b', 'a', ''],
    ['^(([a-z])+.)+[A-Z]([a-z])+$', 'a', ''],
    ['(x+x+)+y', 'x', ''],
    ['(?i:[ab]*a[ab]{220}[cd])', 'ab', ''],
    ['(.*)(.*)(.*)(.*)(.*)(.*)(.*)(.*)(.*)(.*)[!]', 'z', ''],
  ])('%s is done with 100,000 characters in one pass', (source, piece, end) => {
    const text = piece.repeat(100_000 / piece.length) + end
    expect(orThrow(compilePattern(source)).test(text)).toBe(false)
  })

  test.each([
    '(?=a)b',
    '(?!a)b',
    '(?<=a)b',
    '(?<!a)b',
    '(a)\\1',
    '(?<x>a)\\k<x>',
    'a{1001}',
    '((a{30}){30}){30}',
    '[',
  ])('%s is refused, because no linear-time engine has it or it is too large', source => {
    expect(compilePattern(source)).toMatchObject({
      ok: false,
      fault: { code: 'pattern-refused' },
    })
  })

  test('is bounded in length and in compiled size', () => {
    expect(compilePattern('a'.repeat(PATTERN_CHARS_MAX)).ok).toBe(true)
    expect(compilePattern('a'.repeat(PATTERN_CHARS_MAX + 1)).ok).toBe(false)
    expect(compilePattern('(a?){500}a{450}').ok).toBe(false)
  })

  test('never makes the compiler throw', () => {
    const piece = fc.constantFrom(
      '(',
      ')',
      '[',
      ']',
      '{2,',
      '}',
      '*',
      '+',
      '?',
      '|',
      '\\',
      'p{L}',
      '^',
      'a',
      '\ud800',
      '(?',
      ':',
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 24 }), pieces => {
        const outcome = compilePattern(pieces.join(''))
        if (outcome.ok) expect(typeof outcome.value.test('aaab')).toBe('boolean')
        else expect(outcome.fault.code).toBe('pattern-refused')
      }),
      { numRuns: 1_000 },
    )
  })

  test('means what ECMAScript means, where both have it', () => {
    const atom = fc.constantFrom('a', 'b', '.', '[ab]', '[^a]', '\\d', '\\w', '(?:ab)', '(a|b)')
    const times = fc.constantFrom('', '*', '+', '?', '{2}', '{0,2}')
    const source = fc
      .tuple(
        fc.constantFrom('', '^'),
        fc.array(fc.tuple(atom, times), { minLength: 1, maxLength: 4 }),
        fc.constantFrom('', '$'),
      )
      .map(([start, parts, end]) => start + parts.map(part => part.join('')).join('') + end)
    fc.assert(
      fc.property(
        source,
        fc.string({ unit: fc.constantFrom('a', 'b', '1', ' ', 'é'), maxLength: 8 }),
        (text, subject) => {
          expect(orThrow(compilePattern(text)).test(subject)).toBe(new RegExp(text, 'u').test(subject))
        },
      ),
      { numRuns: 1_000 },
    )
  })
})
