import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, onTestFinished, test } from 'vitest'
import { figureList, latencyList } from '../../bench/pipeline/figures.ts'
import type { PipelineReport } from '../../bench/pipeline/report.ts'
import { assayProgram } from '../support/assay-program.ts'

/*
 * The whole pipeline under load, as a very small slice: a node, nine agents, publishers and those who follow, a process for each. What is
 * asked of it is that nothing is lost, and that the report has everything; how fast it is, is measured by hand: docs/performance.md.
 */

const folder = mkdtempSync(join(tmpdir(), 'assay-load-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

test('what is accepted under load is certified once, told to everybody and verified', {
  timeout: 600_000,
}, async () => {
  const [json, page] = [join(folder, 'report.json'), join(folder, 'report.html')]
  const slice = [
    '--rate',
    '100',
    '--batch',
    '10',
    '--seconds',
    '3',
    '--warm-seconds',
    '1',
    '--wait-seconds',
    '300',
  ]
  const { code, said } = await run('bench', '--quick', ...slice, '--json', json, '--page', page)
  expect([code, said]).toEqual([0, expect.stringContaining('nothing was lost')])
  const report: PipelineReport = JSON.parse(readFileSync(json, 'utf8'))
  const { streams, verifying, clients } = report.options
  // The schedule, and one event ahead of it in each stream.
  const all = 100 * (3 + 1) + streams
  expect(report.counts).toEqual({
    ...{ accepted: all, inLog: all, certifiedInDatabase: all, certifiedAtSubscriber: all },
    ...{ refused: {}, notSent: 0 },
  })
  expect(report.losses).toEqual([])
  expect(report.clients.verifiedEvents).toBe((all / streams) * verifying)
  // Received and anchored, of everything at one client, and of one stream at each of the others.
  expect(report.clients.events).toBe(2 * (all + (clients - 1) * (all / streams)))

  expect(Object.keys(report.figures).sort()).toEqual(Object.keys(figureList).sort())
  expect(Object.keys(report.latencies).sort()).toEqual(Object.keys(latencyList).sort())
  const { ack, feed, quorum, certified, verified } = report.latencies
  const measured = 100 * 3
  expect([ack.events, quorum.events]).toEqual([measured, measured])
  expect([feed.events, certified.events]).toEqual(
    Array(2).fill(measured + (clients - 1) * (measured / streams)),
  )
  expect(verified.events).toBe((measured / streams) * verifying)
  expect(report.figures.offeredPerSecond).toBe(100)
  expect(readFileSync(page, 'utf8')).not.toMatch(/https?:\/\//)
})

/** Beside this process, which goes on answering whoever runs the tests. */
async function run(...args: readonly string[]): Promise<{ code: number | null; said: string }> {
  const child = spawn(process.execPath, [...assayProgram, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  onTestFinished(() => void child.kill('SIGTERM'))
  let said = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', text => {
      said += text
    })
  const [code] = await once(child, 'close')
  return { code, said }
}
