import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect, onTestFailed, test } from 'vitest'
import { assayProgram } from '../support/assay-program.ts'
import { makePlan } from './plan.ts'
import { runPlan } from './run-plan.ts'
import { troubles } from './troubles/index.ts'

// The real thing for longer: npm run torture -- --minutes 20
const seed = Number(process.env['ASSAY_SEED'] ?? 20261122)
const SECONDS = 25

test('a slice of torture: everything that was acknowledged is certified once, and every stream is dense', {
  timeout: 600_000,
}, async () => {
  const plan = makePlan({ seed, seconds: SECONDS, perSecond: 5, troubles })
  const folder = await mkdtemp(path.join(tmpdir(), 'assay-torture-'))
  const happened: string[] = []
  onTestFailed(async () => {
    const said = await readFile(path.join(folder, 'processes.log'), 'utf8').catch(() => '')
    process.stderr.write(`seed ${seed}\n${happened.join('\n')}\n${said}`)
  })
  const { violations, figures } = await runPlan({
    ...{ plan, troubles, folder, program: assayProgram, checkedBy: assayProgram },
    say: line => void happened.push(line),
  })
  expect(violations).toEqual([])
  expect(figures['certified']).toBe(figures['events'])
  expect(figures['events']).toBeGreaterThan(0)
  await rm(folder, { recursive: true, force: true })
})
