import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { describe, expect, test } from 'vitest'

const root = new URL('../../', import.meta.url)

describe('the @bsv packages', () => {
  // Two copies compile, and then every `instanceof` between them is false.
  test.each(['@bsv/overlay', '@bsv/auth-express-middleware'])('share one copy of @bsv/sdk: %s', name => {
    const ours = createRequire(import.meta.url).resolve('@bsv/sdk')
    const theirs = createRequire(createRequire(import.meta.url).resolve(name)).resolve('@bsv/sdk')
    expect(theirs).toBe(ours)
  })

  test('leave one @bsv/sdk in the lockfile, the version that package.json pins', () => {
    const lock = JSON.parse(readFileSync(new URL('package-lock.json', root), 'utf8'))
    const { dependencies } = JSON.parse(readFileSync(new URL('package.json', root), 'utf8'))
    const copies = Object.entries<{ version: string }>(lock.packages).filter(([path]) =>
      path.endsWith('/@bsv/sdk'),
    )
    expect(copies.map(([, { version }]) => version)).toEqual([dependencies['@bsv/sdk']])
  })
})
