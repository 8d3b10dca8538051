import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const root = fileURLToPath(new URL('..', import.meta.url))

export type Bundle = { readonly text: string; readonly inputs: readonly string[] }

/** `assay/verify` as one file that imports nothing. */
export function browserVerifier(): Promise<Bundle> {
  return bundle('src/contract/verify.ts')
}

/** `assay/client`, the same way. */
export function browserClient(): Promise<Bundle> {
  return bundle('src/client/index.ts')
}

/** A page from a disk may not load modules from there, so all of it is in the page. */
export async function verifierPage(): Promise<string> {
  const { text } = await bundle('examples/verify-in-a-browser/page.js')
  const page = readFileSync(new URL('../examples/verify-in-a-browser/page.html', import.meta.url), 'utf8')
  // The words that end a script are only ever in texts, where a backslash changes nothing.
  return page.replace('/* page.js */', () => text.replaceAll('</script', '<\\/script'))
}

async function bundle(entry: string): Promise<Bundle> {
  const { outputFiles, metafile } = await build({
    entryPoints: [entry],
    absWorkingDir: root,
    bundle: true,
    write: false,
    minify: true,
    metafile: true,
    platform: 'browser',
    target: 'es2022',
    conditions: ['source', 'browser'],
    format: 'esm',
    logLevel: 'silent',
  })
  return { text: outputFiles[0]?.text ?? '', inputs: Object.keys(metafile.inputs) }
}
