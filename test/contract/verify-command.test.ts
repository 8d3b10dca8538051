import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, describe, expect, test, vi } from 'vitest'
import { verify } from '../../src/bin/verify.ts'
import { canonicalJson } from '../../src/core/canonical-json.ts'
import { certifiedRound, sampleEvent } from '../support/certified-round.ts'

const folder = mkdtempSync(join(tmpdir(), 'assay-verify-'))
afterAll(() => rmSync(folder, { recursive: true }))
afterEach(() => vi.restoreAllMocks())

async function run(...args: string[]) {
  const said: string[] = []
  vi.spyOn(console, 'log').mockImplementation(text => said.push(text))
  vi.spyOn(console, 'error').mockImplementation(text => said.push(text))
  return { code: await verify(args), said: said.join('\n') }
}

function file(name: string, content: string | Uint8Array): string {
  const path = join(folder, name)
  writeFileSync(path, content)
  return path
}

const unseen = /[^\P{C}\n]/u
const cursor = '\u001b[6A\r\u001b[2KPROVEN\n\u202e\u009b'
const round = certifiedRound({ events: [[sampleEvent(0), sampleEvent(1, 1, `farm${cursor}`)]] })
const proof = round.proof(0, 1)

describe('assay verify', () => {
  const odd = file('odd.assay.json', canonicalJson(proof))

  test('shows the sender’s text, and lets none of it move the cursor', async () => {
    const { code, said } = await run(odd)
    expect(code).toBe(3)
    expect(said).not.toMatch(unseen)
    expect(said).toContain('farm\\u001b[6A\\u000d\\u001b[2KPROVEN\\u000a\\u202e\\u009b')
    expect(said).toMatch(/^CONSISTENT.*level +enhanced/s)
  })

  test('says the same as JSON, which reads back as it was', async () => {
    const { said } = await run(odd, '--json')
    expect(said).not.toMatch(unseen)
    expect(JSON.parse(said)).toMatchObject({
      certificationLevel: 'enhanced',
      event: { sourceId: `farm${cursor}` },
    })
  })

  test('shows a fault and where it is without the sender’s control characters', async () => {
    const { code, said } = await run(file('extra.assay.json', canonicalJson({ ...proof, [cursor]: 1 })))
    expect(code).toBe(2)
    expect(said).toMatch(/^UNREADABLE.*PROVEN/)
    expect(said).not.toMatch(unseen)
  })

  test('reads bytes that are not UTF-8 as nothing', async () => {
    const bytes = Buffer.from(canonicalJson(round.proof(0, 0)))
    bytes[bytes.indexOf('farm-001')] = 0xff
    expect(await run(file('latin.assay.json', bytes))).toMatchObject({
      code: 2,
      said: expect.stringMatching(/not UTF-8/),
    })
  })

  test('takes identity keys only, for logs as for operators', async () => {
    const operators = file('operators.txt', `# north\n${round.log.identityKey.toUpperCase()}\n`)
    for (const wrong of [
      ['--log', 'me'],
      ['--operators', operators],
    ])
      expect(await run(odd, ...wrong)).toMatchObject({
        code: 2,
        said: expect.stringMatching(/not an identity key/),
      })
    expect(await run(odd, '--log', round.log.identityKey)).toMatchObject({ code: 3 })
  })
})
