// Writes test/vectors anew. A change there is a change of a promise: say in the commit why it may change.
import { mkdirSync, writeFileSync } from 'node:fs'
import { goldenVectors } from '../test/support/vectors.ts'

const folder = new URL('../test/vectors/', import.meta.url)
mkdirSync(folder, { recursive: true })
for (const [name, content] of Object.entries(goldenVectors())) {
  writeFileSync(new URL(name, folder), content)
  console.log(`${name.padEnd(32)}${content.length} bytes`)
}
