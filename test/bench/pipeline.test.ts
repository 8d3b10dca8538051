import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import type { PacketRow } from '../../bench/pipeline/account.ts'
import { chart, ticksTo } from '../../bench/pipeline/chart.ts'
import { certifiedEnds, findLosses, type Held } from '../../bench/pipeline/conservation.ts'
import { figureList, latencyList } from '../../bench/pipeline/figures.ts'
import { latencyOf, openHistogram } from '../../bench/pipeline/histogram.ts'
import { pipelineOptions, readPipelineOptions } from '../../bench/pipeline/options.ts'
import { slopeOf } from '../../bench/pipeline/put-together.ts'
import { reportBegins, reportEnds, withReport } from '../../bench/pipeline/report-block.ts'
import { batchAt, batchesOf, scheduleOf } from '../../bench/pipeline/schedule.ts'
import { whenDue } from '../../bench/pipeline/sent.ts'
import { loadTestArguments, loadTestVariables } from '../performance/load-test-arguments.ts'

const load = { rate: 1_000, batch: 10, seconds: 2, warmSeconds: 1, streams: 3 }

describe('a schedule', () => {
  test('offers as many events a second as it was asked for, to all streams in turn', () => {
    const schedule = scheduleOf(5_000, load)
    expect(batchesOf(schedule) * load.batch).toBe(3_000)
    expect([0, 1, 2, 3].map(n => batchAt(schedule, n))).toEqual([
      { dueMs: 5_000, stream: 0, firstEvent: 0 },
      { dueMs: 5_010, stream: 1, firstEvent: 10 },
      { dueMs: 5_020, stream: 2, firstEvent: 20 },
      { dueMs: 5_030, stream: 0, firstEvent: 30 },
    ])
  })
})

describe('when events were due', () => {
  const at = (stream: number, firstSeq: number, dueMs: number) => ({
    ...{ stream, firstSeq, dueMs, events: 10, answeredMs: dueMs + 5 },
  })
  const due = whenDue([at(0, 10, 300), at(0, 0, 100), at(1, 0, 200), at(0, 20, 400)])

  test('is told of a stretch that ends in the middle of batches', () => {
    expect([...due(0, 5, 21)]).toEqual([
      { dueMs: 100, events: 5 },
      { dueMs: 300, events: 10 },
      { dueMs: 400, events: 2 },
    ])
  })

  test('is told of nothing that nobody sent', () => {
    expect([...due(0, 30, 40), ...due(2, 0, 9)]).toEqual([])
  })
})

describe('a latency', () => {
  test('counts events and not messages', () => {
    const histogram = openHistogram()
    histogram.add(10, 94)
    histogram.add(20, 5)
    histogram.add(1_000, 1)
    expect(latencyOf(histogram.entries())).toEqual({
      ...{ p50: 10, p95: 20, p99: 20, p999: 1_000, maxMs: 1_000, events: 100 },
    })
  })

  test('of nothing is nothing', () => {
    expect(latencyOf([])).toEqual({ p50: null, p95: null, p99: null, p999: null, maxMs: null, events: 0 })
  })
})

test('growth is that of the line through all looks', () => {
  const points = [0, 1, 2, 3].map(minutes => ({ minutes, megabytes: 100 + 7 * minutes }))
  expect(slopeOf(points)).toBeCloseTo(7)
  expect(slopeOf(points.slice(0, 1))).toBeNull()
})

describe('losses', () => {
  const packet = (more: Partial<PacketRow> = {}): PacketRow => ({
    ...{ stream: 0, firstSeq: 0, events: 10, sealedMs: 1, quorumMs: 2, certifiedMs: 3, certificates: 1 },
    ...more,
  })
  const batch = { stream: 0, firstSeq: 0, events: 10, dueMs: 0, answeredMs: 1 }
  const counts = {
    ...{
      accepted: 10,
      inLog: 10,
      certifiedInDatabase: 10,
      certifiedAtSubscriber: 10,
      refused: {},
      notSent: 0,
    },
  }
  const sound: Held = {
    ...{ taken: [batch], packets: [packet()], counts, unanswered: 0, waitedSeconds: 5, clients: [] },
  }

  test('are none where everything is certified once', () => {
    expect(findLosses(sound)).toEqual([])
  })

  test.each<[string, Held, string]>([
    ['nothing at all', { ...sound, counts: { ...counts, accepted: 0 } }, 'no event was accepted'],
    [
      'an acknowledged event that is nowhere',
      { ...sound, counts: { ...counts, accepted: 11 } },
      '11 events were acknowledged, and packets hold 10',
    ],
    [
      'an event that nobody sent',
      { ...sound, counts: { ...counts, accepted: 9 } },
      'packets hold 10 events, and 9 were acknowledged',
    ],
    [
      'what is not certified in time',
      { ...sound, counts: { ...counts, certifiedInDatabase: 4, certifiedAtSubscriber: 4 } },
      '6 events were not certified 5 s after',
    ],
    [
      'a packet with two certificates',
      { ...sound, packets: [packet({ certificates: 2 })] },
      'has 2 certificates that count',
    ],
    [
      'a packet that is said to be certified and is not',
      { ...sound, packets: [packet({ certificates: 0 })] },
      'has 0 certificates that count',
    ],
    ['a hole between packets', { ...sound, packets: [packet({ firstSeq: 1 })] }, 'where 0 comes next'],
    ['a place given twice', { ...sound, taken: [batch, batch] }, 'was given to two batches'],
    [
      'a subscriber that was told of less',
      { ...sound, counts: { ...counts, certifiedAtSubscriber: 9 } },
      'was told of 9',
    ],
    ['what clients have seen', { ...sound, clients: ['a gap'] }, 'a gap'],
  ])('are %s', (_, held, said) => {
    expect(findLosses(held)).toContainEqual(expect.stringContaining(said))
  })

  test('are not what broke off without an answer', () => {
    expect(findLosses({ ...sound, counts: { ...counts, accepted: 5 }, unanswered: 5 })).toEqual([])
  })

  test('leave clients to be asked for what is certified without a hole', () => {
    const packets = [packet(), packet({ firstSeq: 10, certifiedMs: null }), packet({ firstSeq: 20 })]
    expect(certifiedEnds(packets, 2)).toEqual([10, 0])
  })
})

describe('a chart', () => {
  test('draws a line that breaks where nothing was measured', () => {
    const svg = chart({
      ...{ title: 'Some', unit: 'ms', measured: { from: 1, to: 3 } },
      lines: [{ name: 'one', points: [1, 2, null, 4] }],
    })
    const [, path = ''] = /class="line l0" d="(M[^"]*)"/.exec(svg) ?? []
    expect(path.match(/[ML]/g)).toEqual(['M', 'L', 'M'])
  })

  test('has round steps with room for all of it', () => {
    expect(ticksTo(430)).toEqual([0, 200, 400, 600])
    expect(ticksTo(0.9)).toEqual([0, 0.5, 1])
  })
})

describe('docs/performance.md', () => {
  const page = readFileSync(new URL('../../docs/performance.md', import.meta.url), 'utf8')
  const before = page.slice(0, page.indexOf(reportBegins))
  const block = page.slice(page.indexOf(reportBegins), page.indexOf(reportEnds))
  const firstCells = (text: string) => [...text.matchAll(/^\| `?([^|`]+?)`? \|/gm)].map(([, cell]) => cell)

  test('lists the options that there are, with what they are when left out', () => {
    const rows = [...before.matchAll(/^\| `--([a-z-]+)` \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$/gm)].map(row =>
      row.slice(1),
    )
    const wanted = Object.entries(pipelineOptions).map(([name, { full, quick, about }]) => [
      ...[name, full, quick, about],
    ])
    expect(rows).toEqual(wanted)
  })

  test('lists the variables of the load test', () => {
    for (const [name, { option }] of Object.entries(loadTestVariables))
      expect(before).toContain(`\`${name}\` is \`--${option}\``)
  })

  test('has a report whose figures are those of the code, each with where it comes from', () => {
    const cells = firstCells(block)
    const wanted = [...Object.keys(latencyList), ...Object.keys(figureList)]
    expect(wanted.filter(name => !cells.includes(name))).toEqual([])
    for (const { from } of Object.values(figureList)) expect(block).toContain(from)
  })

  test('has a place that a run writes its report into', () => {
    expect(withReport(page, undefined)).toBe(page)
    expect(withReport('a page without markers', undefined)).toBeUndefined()
  })
})

describe('options', () => {
  test('are what they are when nothing is said, and are read from texts', () => {
    expect(readPipelineOptions({}, false)).toMatchObject({ rate: 5_000, 'fan-out': 'all' })
    expect(readPipelineOptions({ rate: '7', 'fan-out': 'quorum-first' }, true)).toMatchObject({
      ...{ rate: 7, 'fan-out': 'quorum-first', clients: 6 },
    })
  })

  test('that are none are answered with a sentence', () => {
    expect(readPipelineOptions({ rate: '0' }, false)).toContain('--rate takes a whole number from 1')
    expect(readPipelineOptions({ seconds: '1.5' }, false)).toContain('"1.5" is none')
    expect(readPipelineOptions({ 'fan-out': 'some' }, false)).toContain('--fan-out is all or quorum-first')
  })

  test('of the load test are its variables', () => {
    expect(loadTestArguments({ DURATION: '5' })).toEqual([
      ...['--rate', '10000', '--seconds', '5', '--batch', '100'],
    ])
  })
})
