// Writes what a real node makes of examples/: npm run examples. It starts a node and nine agents, and takes a minute.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { examplesFolder, writeExamples } from './examples/files.ts'
import { makeExamples } from './examples/make.ts'

const folder = mkdtempSync(path.join(tmpdir(), 'assay-examples-'))
try {
  writeExamples(examplesFolder, await makeExamples(folder))
} finally {
  rmSync(folder, { recursive: true, force: true })
}
