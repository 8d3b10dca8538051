import type { PacketRow } from './account.ts'
import { countIn, openLatency, secondOf } from './by-second.ts'
import type { Followed, Published } from './commands.ts'
import { findLosses } from './conservation.ts'
import { cpuRows, systemCpuMs } from './cpu-rows.ts'
import type { Figures, LatencyName } from './figures.ts'
import { latencyOf } from './histogram.ts'
import type { Limits } from './limits.ts'
import type { PipelineOptions } from './options.ts'
import type { CpuRow, CpuRowBothTimes, PipelineReport, Second } from './report.ts'
import { perEvent } from './report.ts'
import { batchesOf, type Schedule } from './schedule.ts'
import { whenDue } from './sent.ts'
import type { BothEnds, Closer, Moment } from './watch-machine.ts'

/** All that was seen of one run. */
export type Seen = {
  readonly atMs: number
  readonly options: PipelineOptions
  readonly schedule: Schedule
  readonly limits: Limits
  readonly sent: Published
  readonly packets: readonly PacketRow[]
  /** By clients that only read, and by those that verify. */
  readonly told: Followed
  readonly verified: Followed
  readonly moments: readonly Moment[]
  readonly ends: BothEnds
  /** From before the first scheduled event until all was certified. */
  readonly whole: { readonly from: Closer; readonly until: Closer }
  readonly storedBefore: Stored
  readonly storedAfter: Stored
  readonly behind: readonly string[]
  readonly machine: Readonly<Record<string, string>>
}
type Stored = { readonly database: number; readonly content: number }

/** From what was seen to what is reported: arithmetic alone. */
export function putTogether(seen: Seen): PipelineReport {
  const { options, schedule, sent, packets, told, verified } = seen
  const sum = (counts: Iterable<number>) => [...counts].reduce((total, count) => total + count, 0)
  const accepted = sum(sent.taken.map(({ events }) => events))
  const refused = Object.fromEntries(
    Object.entries(sent.refused).map(([why, batches]) => [why, batches * schedule.batch]),
  )
  const counts = {
    accepted,
    inLog: sum(packets.map(({ events }) => events)),
    certifiedInDatabase: sum(packets.map(({ events, certifiedMs }) => (certifiedMs === null ? 0 : events))),
    certifiedAtSubscriber: sum(told.certifiedBySecond),
    refused,
    notSent: sent.notSent * schedule.batch,
  }
  const ack = openLatency(schedule)
  for (const { dueMs, answeredMs, events } of sent.taken) ack.add(dueMs, answeredMs, events)
  const quorum = openLatency(schedule)
  const due = whenDue(sent.taken)
  for (const { stream, firstSeq, events, quorumMs } of packets)
    if (quorumMs !== null)
      for (const each of due(stream, firstSeq, firstSeq + events - 1))
        quorum.add(each.dueMs, quorumMs, each.events)
  const entries: Record<LatencyName, readonly [number, number][]> = {
    ack: ack.measured.entries(),
    feed: told.latencies['received'] ?? [],
    quorum: quorum.measured.entries(),
    certified: told.latencies['anchored'] ?? [],
    verified: verified.latencies['verified'] ?? [],
  }
  const timeline = secondsOf(seen, ack.p95())
  const losses = findLosses({
    ...{ taken: sent.taken, packets, counts, waitedSeconds: options['wait-seconds'] },
    // What was answered with a number was answered.
    unanswered: sum(Object.entries(refused).flatMap(([why, events]) => (/^\d+$/.test(why) ? [] : [events]))),
    clients: [...seen.behind, ...told.faults, ...verified.faults],
  })
  return {
    ...{ atMs: seen.atMs, options, machine: seen.machine, counts, losses, timeline },
    figures: figuresOf(seen, accepted, counts.certifiedInDatabase),
    latencies: {
      ack: latencyOf(entries.ack),
      feed: latencyOf(entries.feed),
      quorum: latencyOf(entries.quorum),
      certified: latencyOf(entries.certified),
      verified: latencyOf(entries.verified),
    },
    cpu: besideWhole(cpuRows(seen.ends), cpuRows(seen.whole)),
    clients: {
      messages: told.messages,
      events: told.events,
      verifiedEvents: verified.events,
      cutOff: added(told.cutOff, verified.cutOff),
    },
    packets: { count: packets.length },
  }
}

function besideWhole(rows: readonly CpuRow[], whole: readonly CpuRow[]): CpuRowBothTimes[] {
  const wholeMs = new Map(whole.map(({ who, cpuMs }) => [who, cpuMs]))
  // Parts are told apart by how busy they were: at another time others may go by the same names.
  return rows.map(row => ({ ...row, wholeCpuMs: row.isPart ? null : (wholeMs.get(row.who) ?? null) }))
}

function figuresOf(seen: Seen, accepted: number, certifiedInAll: number): Figures {
  const { schedule, sent, ends, limits, told, moments, storedBefore, storedAfter } = seen
  const seconds = (schedule.untilMs - schedule.fromMs) / 1000
  const [fromSecond, untilSecond] = [schedule.fromMs, schedule.untilMs].map(ms => secondOf(schedule, ms))
  const certified = told.certifiedBySecond
    .slice(fromSecond, untilSecond)
    .reduce((sum, count) => sum + count, 0)
  const acceptedMeanwhile = sent.taken
    .filter(({ answeredMs }) => answeredMs >= schedule.fromMs && answeredMs < schedule.untilMs)
    .reduce((sum, { events }) => sum + events, 0)
  const system = systemCpuMs(ends)
  const cpu = perEvent(system, certified)
  const tookMs = ends.until.atMs - ends.from.atMs
  const { from, until } = ends
  const machine = from.machine &&
    until.machine && {
      busyMs: until.machine.busyMs - from.machine.busyMs,
      stolenMs: until.machine.stolenMs - from.machine.stolenMs,
    }
  const own = cpuRows(ends)
    .filter(({ isPart }) => !isPart)
    .reduce<number | null>((sum, { cpuMs }) => (sum === null || cpuMs === null ? null : sum + cpuMs), 0)
  const measured = moments.filter(({ atMs }) => atMs >= schedule.fromMs && atMs <= schedule.untilMs)
  const node = memory(measured, role => role === 'node')
  const agents = memory(measured, isAgents)
  const each = (bytes: number, events: number) => (events === 0 ? null : bytes / events)
  const over = (of: number | null, by: number | null) =>
    of === null || by === null || by === 0 ? null : of / by
  return {
    offeredPerSecond: (batchesDue(schedule) * schedule.batch) / seconds,
    acceptedPerSecond: acceptedMeanwhile / seconds,
    certifiedPerSecond: certified / seconds,
    systemCpuMicroseconds: cpu,
    wholeCpuMicroseconds: perEvent(systemCpuMs(seen.whole), accepted),
    // Of a run that was given up before all was certified it would say nothing.
    wholePerSecond:
      certifiedInAll === accepted
        ? over(1000 * accepted, seen.whole.until.atMs - seen.whole.from.atMs)
        : null,
    systemCores: over(system, tookMs),
    othersCores: machine && own !== null ? Math.max(0, machine.busyMs - own) / tookMs : null,
    stolenCores: machine && machine.stolenMs / tookMs,
    walBytes: each(until.walBytes - from.walBytes, acceptedMeanwhile),
    databaseBytes: each(storedAfter.database - storedBefore.database, accepted),
    contentBytes: each(storedAfter.content - storedBefore.content, accepted),
    nodeMegabytes: node.lastMegabytes,
    nodeGrowth: node.growth,
    nodeBytesPerEvent: over(
      node.growth === null ? null : (node.growth * 1e6 * seconds) / 60,
      acceptedMeanwhile,
    ),
    agentsMegabytes: agents.lastMegabytes,
    agentsGrowth: agents.growth,
    postgresMegabytes: until.postgresBytes === null ? null : until.postgresBytes / 1e6,
    postgresGrowth:
      until.postgresBytes === null || from.postgresBytes === null
        ? null
        : ((until.postgresBytes - from.postgresBytes) / 1e6) * (60_000 / tookMs),
    copyPerSecond: limits.copy.perSecond,
    hashingPerSecond: limits.hashing.perSecond,
    loopbackPerSecond: limits.loopback.perSecond,
    seedShapePerSecond: limits.seedShape.perSecond,
    certifiedOverCopy: over(certified / seconds, limits.copy.perSecond),
    certifiedOverLoopback: over(certified / seconds, limits.loopback.perSecond),
    certifiedOverSeedShape: over(certified / seconds, limits.seedShape.perSecond),
    cpuOverCopy: over(cpu, limits.copy.cpuMicroseconds),
    cpuOverHashing: over(cpu, limits.hashing.cpuMicroseconds),
    cpuOverLoopback: over(cpu, limits.loopback.cpuMicroseconds),
    cpuOverSeedShape: over(cpu, limits.seedShape.cpuMicroseconds),
  }
}

/** In the measured time. */
function batchesDue(schedule: Schedule): number {
  const warm = { ...schedule, untilMs: schedule.fromMs }
  return batchesOf(schedule) - batchesOf(warm)
}

function isAgents(role: string): boolean {
  return role.startsWith('agents')
}

function memory(moments: readonly Moment[], isMeant: (role: string) => boolean) {
  const points = moments.flatMap(moment => {
    const bytes = total(moment.residentBytes, isMeant)
    return bytes === null ? [] : [{ minutes: moment.atMs / 60_000, megabytes: bytes / 1e6 }]
  })
  return { lastMegabytes: points.at(-1)?.megabytes ?? null, growth: slopeOf(points) }
}

/** Megabytes a minute, by least squares; null of fewer than two points. */
export function slopeOf(
  points: readonly { readonly minutes: number; readonly megabytes: number }[],
): number | null {
  if (points.length < 2) return null
  const mean = (of: (point: (typeof points)[number]) => number) =>
    points.reduce((sum, point) => sum + of(point), 0) / points.length
  const [minutes, megabytes] = [mean(each => each.minutes), mean(each => each.megabytes)]
  const spread = mean(each => (each.minutes - minutes) ** 2)
  return spread === 0 ? null : mean(each => (each.minutes - minutes) * (each.megabytes - megabytes)) / spread
}

function total(
  values: Readonly<Record<string, number | null>>,
  isMeant: (role: string) => boolean,
): number | null {
  const meant = Object.entries(values).flatMap(([role, value]) => (isMeant(role) ? [value] : []))
  return meant.reduce<number | null>((sum, value) => (sum === null || value === null ? null : sum + value), 0)
}

function secondsOf(
  { schedule, sent, told, verified, moments }: Seen,
  ackP95: readonly (number | null)[],
): Second[] {
  const accepted: number[] = []
  for (const { answeredMs, events } of sent.taken) countIn(accepted, secondOf(schedule, answeredMs), events)
  const certified = told.certifiedBySecond
  const length = Math.max(accepted.length, certified.length, secondOf(schedule, schedule.untilMs))
  const isBeside = (role: string) => role !== 'node' && !isAgents(role)
  return Array.from({ length }, (_, second) => {
    const atMs = schedule.startMs + 1000 * second
    const [before, after] = around(moments, atMs, atMs + 1000)
    const cores = (of: (moment: Moment) => number | null) => {
      if (before === undefined || after === undefined) return null
      const [a, b] = [of(before), of(after)]
      return a === null || b === null ? null : (b - a) / (after.atMs - before.atMs)
    }
    const megabytes = (isMeant: (role: string) => boolean) => {
      const bytes = after === undefined ? null : total(after.residentBytes, isMeant)
      return bytes === null ? null : bytes / 1e6
    }
    return {
      second,
      isMeasured: atMs >= schedule.fromMs && atMs < schedule.untilMs,
      accepted: accepted[second] ?? 0,
      certified: certified[second] ?? 0,
      p95Ms: {
        ack: ackP95[second] ?? null,
        feed: told.p95BySecond['received']?.[second] ?? null,
        certified: told.p95BySecond['anchored']?.[second] ?? null,
        verified: verified.p95BySecond['verified']?.[second] ?? null,
      },
      nodeMegabytes: megabytes(role => role === 'node'),
      agentsMegabytes: megabytes(isAgents),
      nodeCores: cores(({ cpuMs }) => cpuMs['node'] ?? null),
      agentsCores: cores(({ cpuMs }) => total(cpuMs, isAgents)),
      postgresCores: cores(({ postgresCpuMs }) => postgresCpuMs),
      besideCores: cores(({ cpuMs }) => total(cpuMs, isBeside)),
    }
  })
}

/** The looks nearest to both ends of a stretch of time; none where nobody looked then. */
function around(moments: readonly Moment[], fromMs: number, untilMs: number): [Moment?, Moment?] {
  const before = moments.findLast(({ atMs }) => atMs <= fromMs)
  const after = moments.find(({ atMs }) => atMs >= untilMs)
  return before === undefined || after === undefined ? [] : [before, after]
}

function added(...all: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const sums: Record<string, number> = {}
  for (const each of all)
    for (const [name, count] of Object.entries(each)) sums[name] = (sums[name] ?? 0) + count
  return sums
}
