// Writes the verifier for browsers: one ES module, and a page that works from disk.
import { mkdirSync, writeFileSync } from 'node:fs'
import { browserVerifier, verifierPage } from './bundle-for-browsers.ts'

const folder = new URL('../dist/browser/', import.meta.url)
mkdirSync(folder, { recursive: true })
const { text } = await browserVerifier()
for (const [name, content] of [
  ['assay-verify.js', text],
  ['verify.html', await verifierPage()],
] as const) {
  writeFileSync(new URL(name, folder), content)
  console.log(`dist/browser/${name.padEnd(20)}${Buffer.byteLength(content)} bytes`)
}
