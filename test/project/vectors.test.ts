import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { goldenVectors } from '../support/vectors.ts'

const folder = new URL('../vectors/', import.meta.url)
const vectors = goldenVectors()

describe('the golden vectors', () => {
  test.each(Object.keys(vectors))(
    '%s is what the code says; if it may change, run `npm run vectors`',
    name => {
      expect(readFileSync(new URL(name, folder), 'utf8')).toBe(vectors[name])
    },
  )

  test('are all the files there are, besides what others published, and each is explained', () => {
    const files = readdirSync(folder, { withFileTypes: true }).filter(entry => entry.isFile())
    const names = files.map(entry => entry.name).filter(name => name !== 'README.md')
    expect(names.sort()).toEqual(Object.keys(vectors).sort())
    const readme = readFileSync(new URL('README.md', folder), 'utf8')
    expect(names.filter(name => !readme.includes(`\`${name}\``))).toEqual([])
  })
})
