import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const source = fileURLToPath(new URL('../../../src', import.meta.url))

/** A connection takes a name for one text only, and which part of a node comes first on it is chance. */
test('no two statements are prepared under one name', () => {
  const users = new Map<string, string[]>()
  for (const file of readdirSync(source, { recursive: true, encoding: 'utf8' })) {
    if (!file.endsWith('.ts')) continue
    const text = readFileSync(join(source, file), 'utf8')
    for (const [, name = ''] of text.matchAll(/\bname: '([^']+)',\s*text:/g))
      users.set(name, [...(users.get(name) ?? []), file])
  }
  expect(users.size).toBeGreaterThan(50)
  expect([...users].filter(([, files]) => files.length > 1)).toEqual([])
})
