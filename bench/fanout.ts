import { type AskedProcess, askProcess } from './fanout/ask-process.ts'
import { connected, heard, memory, opened, told } from './fanout/messages.ts'
import { median } from './percentile.ts'
import type { BenchOptions, Report } from './report.ts'

const CLIENTS = 1_000

type Turn = {
  readonly who: string
  readonly deliveriesPerSecond: number
  readonly heardShare: number
  readonly megabytesPerSecond: number
  /** Of the process that tells. */
  readonly cpuShare: number
  readonly cpuMicrosecondsPerDelivery: number
  readonly kilobytesPerClient: number
}

/** The same messages to as many clients: half of them by SSE and half by WebSocket here, all by WebSocket beside it. */
export async function measureFanout({ isQuick }: BenchOptions): Promise<Report> {
  const load = isQuick ? { clients: 20, ms: 500, rounds: 1 } : { clients: CLIENTS, ms: 6_000, rounds: 3 }
  const turns: Turn[] = []
  for (let round = 0; round < load.rounds; round++)
    for (const who of ['assay', 'bare'] as const) turns.push(await turn(who, load))
  const of = (who: string) => turns.filter(each => each.who === who)
  const middle = (who: string, read: (turn: Turn) => number) => median(of(who).map(read))
  const ratio =
    middle('bare', each => each.cpuMicrosecondsPerDelivery) /
    middle('assay', each => each.cpuMicrosecondsPerDelivery)
  const rows = (['assay', 'bare'] as const).map(who => {
    const figure = (read: (turn: Turn) => number, digits = 1) =>
      middle(who, read).toFixed(digits).padStart(14)
    return [
      (who === 'assay' ? 'this node' : 'bare ws').padEnd(12),
      figure(each => each.deliveriesPerSecond, 0),
      figure(each => each.heardShare * 100),
      figure(each => each.megabytesPerSecond),
      figure(each => each.cpuShare * 100),
      figure(each => each.cpuMicrosecondsPerDelivery, 2),
      figure(each => each.kilobytesPerClient),
    ].join('')
  })
  const head = ['', 'deliveries/s', 'heard %', 'MB/s', 'CPU %', 'µs/delivery', 'kB/client']
  const printed = [
    `${load.clients} clients, ${PER_SECOND} messages/s of ${EVENTS} event ids each; median of ${load.rounds}`,
    head.map((each, i) => (i === 0 ? each.padEnd(12) : each.padStart(14))).join(''),
    ...rows,
    `CPU per delivery: ${ratio.toFixed(1)} times better than bare ws`,
  ].join('\n')
  return { printed, figures: { turns, ratio } }
}

const PER_SECOND = 100
const EVENTS = 5

async function turn(
  who: 'assay' | 'bare',
  { clients, ms }: { readonly clients: number; readonly ms: number },
): Promise<Turn> {
  const server = askProcess('fanout-server-process')
  const followers = askProcess('fanout-clients-process')
  try {
    return await measure(who, { clients, ms }, server, followers)
  } finally {
    server.end()
    followers.end()
  }
}

async function measure(
  who: 'assay' | 'bare',
  { clients, ms }: { readonly clients: number; readonly ms: number },
  server: AskedProcess,
  followers: AskedProcess,
): Promise<Turn> {
  const { port } = await server.ask({ what: 'open', contender: who }, opened)
  await server.ask({ what: 'tell', perSecond: PER_SECOND, events: EVENTS, ms: 500 }, told)
  const before = await server.ask({ what: 'memory' }, memory)
  const sse = who === 'assay' ? clients / 2 : 0
  await followers.ask({ what: 'connect', port, sse, webSocket: clients - sse }, connected)
  const idle = await server.ask({ what: 'memory' }, memory)
  // Not the first ones, for which everything is still compiled.
  await server.ask({ what: 'tell', perSecond: PER_SECOND, events: EVENTS, ms: Math.min(ms, 2_000) }, told)
  await followers.ask({ what: 'heard' }, heard)
  const { cpuMs, wallMs, messages } = await server.ask(
    { what: 'tell', perSecond: PER_SECOND, events: EVENTS, ms },
    told,
  )
  const all = await followers.ask({ what: 'heard' }, heard)
  return {
    who,
    deliveriesPerSecond: (messages * clients * 1000) / wallMs,
    heardShare: all.messages / (messages * clients),
    megabytesPerSecond: all.bytes / 1000 / wallMs,
    cpuShare: cpuMs / wallMs,
    cpuMicrosecondsPerDelivery: (1000 * cpuMs) / (messages * clients),
    kilobytesPerClient: (idle.rss - before.rss) / 1000 / clients,
  }
}
