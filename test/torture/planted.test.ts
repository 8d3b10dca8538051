import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { plantedBugs } from './planted/bugs.ts'
import { planted } from './planted/plant.ts'
import { troubles } from './troubles/index.ts'

describe('a planted fault', () => {
  test('is one of many, each under a name of its own and with troubles that there are', () => {
    expect(new Set(plantedBugs.map(({ name }) => name)).size).toBe(plantedBugs.length)
    expect(plantedBugs.length).toBeGreaterThanOrEqual(8)
    const names = troubles.map(({ name }) => name)
    expect(plantedBugs.flatMap(({ only }) => only.filter(name => !names.includes(name)))).toEqual([])
  })

  test.runIf(process.env['ASSAY_BUILT'] !== undefined).each(plantedBugs)(
    'still has a place in the build that `npm test` has just made: $name',
    ({ name, file, find, replace }) => {
      const text = readFileSync(new URL(`../../dist/src/${file}`, import.meta.url), 'utf8')
      expect(planted(text, find, replace, name)).toContain(replace)
    },
  )

  test('is named in docs/torture.md, as every trouble is', () => {
    const page = readFileSync(new URL('../../docs/torture.md', import.meta.url), 'utf8')
    const listed = [...page.matchAll(/^\* (.*)$/gm)].map(([, name]) => name)
    expect(listed).toEqual(plantedBugs.map(({ name }) => name))
    expect(troubles.filter(({ name }) => !page.includes(`| \`${name}\` |`))).toEqual([])
  })

  test('without a place, or with two, is an error', () => {
    expect(planted('a b c', 'b', 'x', 'here')).toBe('a x c')
    expect(() => planted('a c', 'b', 'x', 'here')).toThrow(/here: .*0 times/)
    expect(() => planted('b b', 'b', 'x', 'here')).toThrow(/2 times/)
  })
})
