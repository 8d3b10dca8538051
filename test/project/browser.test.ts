import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import vm from 'node:vm'
import { build } from 'esbuild'
import { describe, expect, test } from 'vitest'
import { browserSample, browserVerdict } from './browser-sample.ts'

/** All of core, and the verifier with all that it needs of the contract. */
const entries = [
  ...readdirSync(new URL('../../src/core/', import.meta.url), { recursive: true, encoding: 'utf8' })
    .filter(name => name.endsWith('.ts') && !/\.(node|browser)\.ts$/.test(name))
    .map(name => `src/core/${name}`),
  'src/contract/verify.ts',
]
/** Run in a page and in Node; extend it together with the entries. */
const sample = 'test/project/browser-sample.ts'

const allowed = [
  /^src\/(core|contract)\//,
  /^node_modules\/(@noble\/hashes|@noble\/secp256k1|ajv|ajv-formats|re2js|zod|cborg)\//,
  // What Ajv is made of.
  /^node_modules\/(fast-deep-equal|fast-uri|json-schema-traverse)\//,
]

const root = fileURLToPath(new URL('../../', import.meta.url))

function bundle(files: readonly string[]) {
  return build({
    stdin: { contents: files.map(file => `export * from './${file}'`).join('\n'), resolveDir: root },
    absWorkingDir: root,
    bundle: true,
    write: false,
    metafile: true,
    platform: 'browser',
    conditions: ['source', 'browser'],
    format: 'iife',
    globalName: 'assay',
    logLevel: 'silent',
  })
}

describe('the browser build', () => {
  test('holds our pure modules and the allowed libraries, and nothing else', async () => {
    const { metafile } = await bundle(entries)
    const inside = Object.keys(metafile.inputs).filter(path => path !== '<stdin>')
    expect(inside.filter(path => !allowed.some(pattern => pattern.test(path)))).toEqual([])
    expect(inside.filter(path => path.endsWith('.node.ts'))).toEqual([])
    for (const entry of entries) expect(inside).toContain(entry)
  })

  test('cannot be made with a module of Node in it', async () => {
    await expect(bundle(['src/core/sha256.node.ts'])).rejects.toThrow('Could not resolve "node:crypto"')
  })

  test('says what Node says, where there is no process, require or Buffer', async () => {
    const { outputFiles } = await bundle([...entries, sample])
    // A context holds the language only; these two are what every browser adds and we use.
    const page = vm.createContext({ TextEncoder, TextDecoder })
    vm.runInContext(outputFiles[0]?.text ?? '', page)
    expect(vm.runInContext('[typeof process, typeof require, typeof Buffer].join()', page)).toBe(
      'undefined,undefined,undefined',
    )
    expect(vm.runInContext('assay.browserSample()', page)).toBe(browserSample())
  })

  test('verifies a proof in a page', async () => {
    const { outputFiles } = await bundle([sample])
    const vector = (name: string) => readFileSync(new URL(`../vectors/${name}`, import.meta.url), 'utf8')
    const files = [vector('proof.assay.json'), vector('headers.json'), vector('operators.txt')] as const
    const page = vm.createContext({ TextEncoder, TextDecoder, files })
    vm.runInContext(outputFiles[0]?.text ?? '', page)
    const told = vm.runInContext('assay.browserVerdict(...files)', page)
    expect(told).toBe(browserVerdict(...files))
    expect(JSON.parse(told)).toMatchObject({ kind: 'valid', level: 'proven' })
  })
})
