import { expect, test } from 'vitest'
import { readBanned } from '../../../src/adapters/discovery/bans.ts'

test.each([
  ['domain', 'https://A.example/', 'https://a.example'],
  ['domain', 'a.example:80', 'a.example:80'],
  ['domain', 'http://[::1]:80', 'http://[::1]:80'],
  ['domain', 'https://a.example/x', undefined],
  ['domain', 'https://u:p@a.example', undefined],
  ['domain', '', undefined],
  ['domain', `${'a'.repeat(300)}.example`, undefined],
  ['outpoint', `${'AB'.repeat(32)}.007`, `${'ab'.repeat(32)}.7`],
  ['outpoint', `${'ab'.repeat(32)}`, undefined],
] as const)('a banned %s spelled %s is kept as %s', (type, text, kept) => {
  expect(readBanned(type, text)).toBe(kept)
})
