import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as z from 'zod'
import { readGivenSources } from '../../src/core/registry/given-sources.ts'
import { startChild } from '../node/child-node.ts'
import { emptyDatabase } from '../support/database.ts'
import type { TemporaryDatabase } from '../support/new-database.ts'

/** A dozen processes, one after the other, on a busy machine. */
const STARTS_MS_MAX = 240_000

let database: TemporaryDatabase
let folder: string
beforeAll(async () => {
  database = await emptyDatabase()
  folder = mkdtempSync(join(tmpdir(), 'assay-sources-'))
})
afterAll(async () => {
  await database.drop()
  rmSync(folder, { recursive: true })
})

async function run(...args: string[]) {
  const child = startChild(args, { DATABASE_URL: database.url, ASSAY_MASTER_KEY: '11'.repeat(32) })
  const { code } = await child.exited
  return { code, said: child.said() }
}

describe('docs/sources.md', () => {
  const page = readFileSync(new URL('../../docs/sources.md', import.meta.url), 'utf8')

  test('shows what its commands print', { timeout: STARTS_MS_MAX }, async () => {
    let commands = 0
    for (const [, kind = '', file = '', text = ''] of page.matchAll(/^```(\w+) ?(\S*)\n([\s\S]*?)^```$/gm)) {
      if (file !== '') writeFileSync(join(folder, file), text)
      if (kind !== 'console') continue
      for (const [, command = '', shown = ''] of text.matchAll(/^\$ assay (.*)\n([^$]*)/gm)) {
        const args = command.split(' ').map(arg => (arg.endsWith('.json') ? join(folder, arg) : arg))
        const { said } = await run(...args)
        expect(said.replaceAll(`${folder}/`, '')).toMatch(asShown(shown))
        commands += 1
      }
    }
    expect(commands).toBeGreaterThan(8)
  })

  test('gives sources as the settings take them', () => {
    const [, given = ''] = /^```json\n([\s\S]*?)^```$/m.exec(page) ?? []
    expect(readGivenSources(given)).toMatchObject({ ok: true, value: [{ secret: expect.any(Uint8Array) }] })
  })
})

describe('assay sources', () => {
  test('lists for programs, and for one tenant alone', { timeout: STARTS_MS_MAX }, async () => {
    writeFileSync(join(folder, 'acme.json'), '{"sourceId":"acme-1","tenantId":"acme"}')
    expect(await run('sources', 'put', join(folder, 'acme.json'))).toMatchObject({ code: 0 })
    const { said } = await run('sources', 'list', '--tenant', 'acme', '--json')
    const listed = z.array(z.object({ source: z.object({ sourceId: z.string() }) })).parse(JSON.parse(said))
    expect(listed.map(({ source }) => source.sourceId)).toEqual(['acme-1'])
  })

  test('says what is wrong with a file, and where', { timeout: STARTS_MS_MAX }, async () => {
    writeFileSync(join(folder, 'odd.json'), '{"sourceId":"odd","trustWeigth":2}')
    const { code, said } = await run('sources', 'put', join(folder, 'odd.json'))
    expect([code, said]).toEqual([1, expect.stringContaining('/trustWeigth: this key is not known here')])
    expect(await run('sources', 'show', 'nobody')).toMatchObject({
      code: 1,
      said: expect.stringContaining('there is no source nobody'),
    })
  })

  test.each([
    ['sources', 'put'],
    ['streams', 'drop', 'a'],
  ])('says how it is used: %s %s', async (...args: string[]) => {
    const { code, said } = await run(...args)
    expect([code, said]).toEqual([2, expect.stringContaining(`assay ${args[0]} list`)])
  })
})

function asShown(shown: string): RegExp {
  const parts = shown.split('…').map(part => part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&').trimEnd())
  return new RegExp(`^${parts.join('[\\s\\S]*')}\\s*$`)
}
