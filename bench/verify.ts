import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { gzipSync } from 'node:zlib'
import { openRecords, openRecordWriter, readRecords } from '../src/bin/export/record-file.ts'
import { openAudit } from '../src/contract/audit/audit.ts'
import { type Trust, verifyPacketProof, verifyProof } from '../src/contract/verify.ts'
import { utf8 } from '../src/core/bytes.ts'
import { canonicalJson } from '../src/core/canonical-json.ts'
import { orThrow } from '../src/core/fault.ts'
import { type Level, levels } from '../src/core/level.ts'
import { type CertifiedRound, certifiedRound, sampleEvent } from '../test/support/certified-round.ts'
import { exportedRound } from '../test/support/exported-round.ts'
import { median } from './percentile.ts'
import type { BenchOptions, Report } from './report.ts'

/** What checking a proof costs whoever relies on it, and what it weighs. */
export async function measureVerify({ isQuick }: BenchOptions): Promise<Report> {
  const extent = isQuick ? { rounds: 4, events: 20, passes: 2 } : { rounds: 400, events: 1_000, passes: 5 }
  const costs = levels.flatMap(level => costsAt(level, extent))
  const sizes = levels.flatMap(level => sizesAt(level, extent.events))
  const whole = await wholeLog(
    isQuick ? { packets: 2, events: 100, logs: 1 } : { packets: 50, events: 1_000, logs: 20 },
  )
  return {
    printed: [
      `${extent.rounds} rounds, packets of up to ${extent.events} events; medians of ${extent.passes} passes, CPU time`,
      '',
      row('checked, to the level proven', 'per CPU-second', 'ms each'),
      ...costs.map(({ what, perCpuSecond, milliseconds }) =>
        row(what, perCpuSecond.toFixed(0), milliseconds.toFixed(2)),
      ),
      '',
      row('one file', 'bytes', 'gzip'),
      ...sizes.map(({ what, bytes, gzip }) => row(what, String(bytes), String(gzip))),
      '',
      `a whole log, written to a file and read from it: ${whole.events} events in packets of ${whole.perPacket}, ${whole.megabytes} MB`,
      row('', 'events/s', 'CPU µs/event', 'MB of memory'),
      row('written', whole.written.perSecond, whole.written.cpuMicros, whole.written.memory),
      row(
        'checked, to the level proven',
        whole.checked.perSecond,
        whole.checked.cpuMicros,
        whole.checked.memory,
      ),
    ].join('\n'),
    figures: { ...extent, costs, sizes, whole },
  }
}

type Extent = { readonly rounds: number; readonly events: number; readonly passes: number }
type Cost = { readonly what: string; readonly perCpuSecond: number; readonly milliseconds: number }

/** So many rounds that of the first nothing is remembered any more when it comes again; and events of one packet. */
function costsAt(level: Level, { rounds, events, passes }: Extent): Cost[] {
  const apart = Array.from({ length: rounds }, (_, i) => roundOf(level, 1, i * 10_000))
  const together = roundOf(level, events, 0)
  const [first] = apart
  if (first === undefined) throw new Error('there is no round')
  const trust = trustIn(first)
  const each = apart.map(round => ({
    text: fileOf(round, 0),
    trust: { ...trust, headers: round.chain.headers() },
  }))
  const ofPacket = Array.from({ length: Math.min(events, 200) }, (_, i) => ({
    text: fileOf(together, i),
    trust: trustIn(together),
  }))
  const packets = apart.map((round, i) => ({ text: packetFileOf(round), trust: each[i]?.trust ?? trust }))
  return [
    cost(`${level}: an event, each of another round`, each, passes, ({ text, trust }) =>
      verifyProof(text, trust),
    ),
    cost(`${level}: events of one packet`, ofPacket, passes, ({ text, trust }) => verifyProof(text, trust)),
    cost(`${level}: a packet, each of another round`, packets, passes, ({ text, trust }) =>
      verifyPacketProof(text, trust),
    ),
  ]
}

type Asked = { readonly text: string; readonly trust: Trust }
type Answer = (asked: Asked) => { readonly kind: string; readonly level?: string }

function cost(what: string, asked: readonly Asked[], passes: number, check: Answer): Cost {
  // Once before anything is counted: what is measured is a program that has run for a while.
  const samples = Array.from({ length: passes + 1 }, () => {
    const before = process.cpuUsage()
    for (const each of asked)
      if (check(each).level !== 'proven') throw new Error(`${what}: a sound proof was not taken for one`)
    const { user, system } = process.cpuUsage(before)
    return (user + system) / 1000 / asked.length
  }).slice(1)
  const milliseconds = median(samples)
  return { what, milliseconds, perCpuSecond: 1000 / milliseconds }
}

function sizesAt(level: Level, events: number) {
  const round = roundOf(level, events, 0)
  return [
    { what: `${level}: an event among ${events}`, text: fileOf(round, events - 1) },
    { what: `${level}: its packet`, text: packetFileOf(round) },
  ].map(({ what, text }) => ({ what, bytes: utf8(text).length, gzip: gzipSync(text).length }))
}

/** One round again and again, each time as a log of its own: so many events do not have to be made first. */
export async function wholeLog({ packets, events, logs }: { packets: number; events: number; logs: number }) {
  const round = certifiedRound({
    events: Array.from({ length: packets }, (_, packet) =>
      Array.from({ length: events }, (_, i) => sampleEvent(packet * events + i, 20)),
    ),
  })
  const records = [...exportedRound(round)]
  const all = packets * events * logs
  const folder = await mkdtemp(path.join(tmpdir(), 'assay-bench-'))
  try {
    const file = path.join(folder, 'log.export')
    let bytes = 0
    const written = await measured(all, async () => {
      for (let log = 0; log < logs; log++) {
        await rm(file, { force: true })
        const writer = orThrow(await openRecordWriter(file))
        for (const record of records) await writer.write(record)
        await writer.finish()
        await writer.close()
        bytes += (await stat(file)).size
      }
    })
    const checked = await measured(all, async () => {
      for (let log = 0; log < logs; log++) {
        const audit = openAudit(trustIn(round))
        const opened = orThrow(await openRecords(file))
        for await (const read of readRecords(opened)) orThrow(audit.take(orThrow(read).record))
        await opened.close()
        const { findings, level, isWhole } = audit.state()
        if (findings.length > 0 || !isWhole || level !== 'proven')
          throw new Error('a sound log was not taken for one')
      }
    })
    return { events: all, perPacket: events, megabytes: Math.round(bytes / 1e6), written, checked }
  } finally {
    await rm(folder, { recursive: true })
  }
}

async function measured(events: number, work: () => Promise<void>) {
  const [startMs, before] = [performance.now(), process.cpuUsage()]
  await work()
  const { user, system } = process.cpuUsage(before)
  return {
    perSecond: ((1000 * events) / (performance.now() - startMs)).toFixed(0),
    cpuMicros: ((user + system) / events).toFixed(1),
    memory: (process.memoryUsage().rss / 1e6).toFixed(0),
  }
}

function roundOf(level: Level, events: number, from: number): CertifiedRound {
  return certifiedRound({
    level,
    events: [Array.from({ length: events }, (_, i) => sampleEvent(from + i, 20))],
  })
}

function fileOf(round: CertifiedRound, line: number): string {
  return canonicalJson(round.proof(0, line))
}

function packetFileOf(round: CertifiedRound): string {
  const { certified: _, event: __, ...shared } = round.proof(0, 0)
  return canonicalJson({ ...shared, format: 'assay-packet-proof' })
}

function trustIn({ log, operators, chain }: CertifiedRound): Trust {
  return {
    logs: new Set([log.identityKey]),
    operators: new Set(operators.map(({ identityKey }) => identityKey)),
    headers: chain.headers(),
    allowLocal: true,
  }
}

function row(name: string, ...cells: readonly string[]): string {
  return name.padEnd(48) + cells.map(cell => cell.padStart(16)).join('')
}
