import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { browserVerifier, verifierPage } from '../../scripts/bundle-for-browsers.ts'
import { readHeadersFile, verifyProof } from '../../src/contract/verify.ts'
import { canonicalJson } from '../../src/core/canonical-json.ts'
import { orThrow } from '../../src/core/fault.ts'
import { aBrowser, openBrowser } from '../support/chromium.ts'
import { mutationsOf } from '../support/mutations.ts'
import { describeWith } from '../support/real-component.ts'

const vectorPath = (name: string) => fileURLToPath(new URL(`../vectors/${name}`, import.meta.url))
const vector = (name: string) => readFileSync(vectorPath(name), 'utf8')
const proof = vector('proof.assay.json')
const log: string = JSON.parse(vector('verdicts.json')).cases[0].log
const operators = vector('operators.txt').match(/0[23][0-9a-f]{64}/g) ?? []

// All of them by hand with ASSAY_EVERY_BIT=1.
const count = process.env['ASSAY_EVERY_BIT'] ? 5_000 : 200

describeWith(aBrowser, 'a proof in a browser that is cut off from the network', () => {
  let browser: Browser
  let folder: string
  const troubles: string[] = []
  const asked: string[] = []
  beforeAll(async () => {
    browser = await openBrowser()
    folder = mkdtempSync(path.join(tmpdir(), 'assay-browser-'))
    writeFileSync(path.join(folder, 'verify.html'), await verifierPage())
  })
  afterAll(async () => {
    await browser.close()
    rmSync(folder, { recursive: true })
  })

  const open = async (): Promise<Page> => {
    const context = await browser.newContext({ offline: true })
    const page = await context.newPage()
    page.on('pageerror', error => void troubles.push(error.message))
    page.on('console', message => void troubles.push(message.text()))
    page.on('request', request => void asked.push(request.url()))
    await page.goto(pathToFileURL(path.join(folder, 'verify.html')).href)
    return page
  }

  test('is shown with the level that it reaches, by the page that works from disk', async () => {
    const page = await open()
    const level = page.locator('#level')
    const levelIs = (word: string) => level.filter({ hasText: new RegExp(`^${word}$`) }).waitFor()
    const choose = (id: string, text: string) =>
      page.setInputFiles(`#${id}`, { name: id, mimeType: 'application/json', buffer: Buffer.from(text) })
    await page.setInputFiles('#proof', vectorPath('proof.assay.json'))
    await levelIs('consistent')
    await page.getByLabel('Logs that you trust').fill(log)
    await page.getByLabel('Operators that you trust').fill(operators.join('\n'))
    await page.getByLabel('The chain is my own private one').check()
    await page.setInputFiles('#headers', vectorPath('headers.json'))
    await levelIs('proven')
    expect(JSON.parse((await page.locator('#said').textContent()) ?? '')).toMatchObject({
      kind: 'valid',
      level: 'proven',
    })
    await choose('proof', proof.replace('"v":1', '"v":2'))
    await levelIs('unreadable')
    await choose('headers', '{}')
    await levelIs('not checked')
    expect(troubles).toEqual([])
    expect(asked.filter(url => !url.startsWith('file:'))).toEqual([])
    await page.context().close()
  })

  test(`is judged as it is here, and so are ${count} that were changed`, {
    timeout: 60_000 + 200 * count,
  }, async () => {
    const files = [proof, ...mutationsOf(JSON.parse(proof), count, 20_260_101).map(({ text }) => text)]
    const headersText = vector('headers.json')
    const trust = {
      ...{ logs: new Set([log]), operators: new Set(operators), allowLocal: true },
      headers: orThrow(readHeadersFile(headersText)),
    }
    // At which character a text is no JSON, not every engine says.
    const shown = (said: string) => canonicalJson(JSON.parse(said.replace(/ \(at character \d+\)/, '')))
    const here = files.map(text => shown(JSON.stringify(verifyProof(text, trust))))
    const context = await browser.newContext({ offline: true })
    const page = await context.newPage()
    const judge = async (slice: readonly string[]) =>
      page.evaluate(
        async ({ module, given, lists, headers }) => {
          const url = URL.createObjectURL(new Blob([module], { type: 'text/javascript' }))
          // An import of this file's own would be rewritten for where tests run.
          const verifier = await new Function('url', 'return import(url)')(url)
          const trusted = {
            ...{ logs: new Set([lists.log]), operators: new Set(lists.operators), allowLocal: true },
            headers: verifier.readHeadersFile(headers).value,
          }
          return given.map(text => JSON.stringify(verifier.verifyProof(text, trusted)))
        },
        {
          module: (await browserVerifier()).text,
          given: slice,
          lists: { log, operators },
          headers: headersText,
        },
      )
    const there: string[] = []
    // All of them together would be more than a page takes at once.
    for (let at = 0; at < files.length; at += 100) there.push(...(await judge(files.slice(at, at + 100))))
    expect(there.map(shown)).toEqual(here)
    expect(JSON.parse(there[0] ?? '')).toMatchObject({ kind: 'valid', level: 'proven' })
    await context.close()
  })
})
