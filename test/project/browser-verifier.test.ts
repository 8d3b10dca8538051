import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  type Bundle,
  browserClient,
  browserVerifier,
  verifierPage,
} from '../../scripts/bundle-for-browsers.ts'
import { exitCodeOf, readHeadersFile, verifyProof } from '../../src/contract/verify.ts'
import { orThrow } from '../../src/core/fault.ts'

/** About a third of a photograph; what it grows by is for somebody to mean. */
const BYTES_MAX = 256 * 1024
const CLIENT_BYTES_MAX = 288 * 1024

const vector = (name: string) => readFileSync(new URL(`../vectors/${name}`, import.meta.url), 'utf8')
const proof = vector('proof.assay.json')
const folder = mkdtempSync(path.join(tmpdir(), 'assay-browser-'))
let bundle: Bundle
beforeAll(async () => {
  bundle = await browserVerifier()
})
afterAll(() => rmSync(folder, { recursive: true }))

describe('the verifier for browsers', () => {
  test('is one small file that imports nothing, with nothing of @bsv in it', () => {
    expect(bundle.inputs.filter(name => /@bsv|\.node\.ts$/.test(name))).toEqual([])
    expect(bundle.text).not.toMatch(/@bsv|\bimport\s*[({"'*]|\brequire\(/)
    expect(Buffer.byteLength(bundle.text)).toBeLessThan(BYTES_MAX)
  })

  test('says what the verifier of a node says, in a process that can reach nothing', () => {
    writeFileSync(path.join(folder, 'assay-verify.mjs'), bundle.text)
    writeFileSync(path.join(folder, 'cut-off.mjs'), cutOff)
    writeFileSync(path.join(folder, 'ask.mjs'), asking)
    const input = JSON.stringify({
      proof,
      headers: vector('headers.json'),
      operators: vector('operators.txt').match(/0[23][0-9a-f]{64}/g),
      log: JSON.parse(vector('verdicts.json')).cases[0].log,
    })
    const { stdout, stderr } = spawnSync(
      process.execPath,
      ['--import', pathToFileURL(path.join(folder, 'cut-off.mjs')).href, path.join(folder, 'ask.mjs')],
      { input, encoding: 'utf8', cwd: folder },
    )
    expect(stderr).toBe('')
    const { log, operators } = JSON.parse(input)
    const own = verifyProof(proof, {
      logs: new Set([log]),
      operators: new Set(operators),
      headers: orThrow(readHeadersFile(vector('headers.json'))),
      allowLocal: true,
    })
    expect(JSON.parse(stdout)).toEqual({
      canReach: false,
      verdict: JSON.parse(JSON.stringify(own)),
      bare: 'consistent',
    })
    expect(exitCodeOf(own, 'proven')).toBe(0)
  })
})

describe('the client for browsers', () => {
  test('is one file that imports nothing, with nothing of @bsv or of Node in it', async () => {
    const client = await browserClient()
    const strange = /@bsv|\.node\.ts$|^src\/(?!client|core|contract|runtime\/(back-off|read-bounded))/
    expect(client.inputs.filter(name => strange.test(name))).toEqual([])
    expect(client.text).not.toMatch(/@bsv|\bimport\s*[({"'*]|\brequire\(/)
    expect(Buffer.byteLength(client.text)).toBeLessThan(CLIENT_BYTES_MAX)
  })
})

/** As a machine without a network is: whatever would open a connection throws. */
const cutOff = `
import dgram from 'node:dgram'
import dns from 'node:dns'
import net from 'node:net'
const refuse = () => { throw new Error('cut off') }
net.Socket.prototype.connect = refuse
dgram.createSocket = refuse
dns.lookup = refuse
globalThis.fetch = refuse
globalThis.WebSocket = undefined
`
const asking = `
import net from 'node:net'
import { text } from 'node:stream/consumers'
import { readHeadersFile, verifyProof } from './assay-verify.mjs'
const { proof, headers, operators, log } = JSON.parse(await text(process.stdin))
const trust = {
  logs: new Set([log]),
  operators: new Set(operators),
  headers: readHeadersFile(headers).value,
  allowLocal: true,
}
let canReach = true
try { net.connect(80, '127.0.0.1') } catch { canReach = false }
const bare = verifyProof(proof).level
console.log(JSON.stringify({ canReach, verdict: verifyProof(proof, trust), bare }))
`

describe('the page that works from disk', () => {
  test('has all that it needs inside, and may reach nothing', async () => {
    const page = await verifierPage()
    expect(page).toContain(`default-src 'none'`)
    expect(page).not.toMatch(/@bsv|<link|\ssrc=|href=/)
    expect(page.match(/<script/g)).toHaveLength(1)
    expect(page.match(/<\/script/g)).toHaveLength(1)
  })
})
