import fc from 'fast-check'
import { expect } from 'vitest'

// One seed for everybody, so that a red build is red again; another one by hand with ASSAY_SEED. Failures print it.
fc.configureGlobal({ seed: Number(process.env['ASSAY_SEED'] ?? 20261120) })

// toMatchObject takes a RegExp for an object without members, which everything matches: such a test cannot fail.
expect.addEqualityTesters([
  (_, expected) => {
    if (expected instanceof RegExp)
      throw new Error('compare a text with expect.stringMatching, not with a RegExp')
    return undefined
  },
])
