import { mkdtemp, open, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openReadLine } from '../../../src/adapters/reading/read-line.ts'

let folder: string
let opened = 0
const lines = ['{"i":0}', 'ä'.repeat(300_000), '', '{"i":3}']
const text = `before\n${lines.join('\n')}\n`
const at = {
  sha256: 'ab'.repeat(32),
  at: 'before\n'.length,
  length: Buffer.byteLength(text) - 'before\n'.length,
}
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'assay-lines-'))
  await writeFile(path.join(folder, 'object'), text)
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const content = {
  async open(sha256: string) {
    if (sha256 !== at.sha256) return { kind: 'none' as const }
    opened += 1
    const file = await open(path.join(folder, 'object'))
    const length = Buffer.byteLength(text)
    return {
      kind: 'open' as const,
      object: { sha256, length, contentType: 'application/x-ndjson', audience: 'public' as const, file },
    }
  },
}

describe('a line of a stored text', () => {
  test.each(lines.map((line, i) => [i, line] as const))('is found by its number: %i', async (i, line) => {
    expect(await openReadLine({ content })(at, i)).toBe(line)
  })

  test('is not there behind the last one, nor where the text ends early or is gone', async () => {
    const readLine = openReadLine({ content })
    expect(await readLine(at, lines.length)).toBeUndefined()
    expect(await readLine({ ...at, length: 3 }, 0)).toBeUndefined()
    expect(await readLine({ ...at, length: 10 * at.length }, lines.length)).toBeUndefined()
    expect(await readLine({ ...at, sha256: 'cd'.repeat(32) }, 0)).toBeUndefined()
  })

  test('is read by few at once; of the others some wait, and the rest are told to come again', async () => {
    const readLine = openReadLine({ content, atOnceMax: 2, waitingMax: 3 })
    const answers = await Promise.all(Array.from({ length: 9 }, () => readLine(at, 0)))
    expect(answers.filter(each => each === 'busy')).toHaveLength(4)
    expect(answers.filter(each => each === lines[0])).toHaveLength(5)
    const before = opened
    expect(await readLine(at, 0)).toBe(lines[0])
    expect(opened).toBe(before + 1)
  })
})
