import { setTimeout as sleep } from 'node:timers/promises'
import { answerAsked } from './fanout/ask-process.ts'
import { countIn, type LatencyBySecond, openLatency, secondOf } from './pipeline/by-second.ts'
import { type FollowCommand, type Followed, followCommand } from './pipeline/commands.ts'
import { openHearings } from './pipeline/hearings.ts'
import { whenDue } from './pipeline/sent.ts'
import { startWatcher, type Watcher, watchedStages } from './pipeline/watcher.ts'

/* The process of the clients that only read: what they are told is written down as it comes, and worked out when all is over. */

type Client = Watcher & { readonly stream: number | undefined }
const clients: Client[] = []
const hearings = openHearings()
/** What the first one is told, who follows everything. */
const first = openHearings()

answerAsked(followCommand, obey)

async function obey(asked: FollowCommand): Promise<object> {
  if (asked.what === 'follow') return follow(asked)
  if (asked.what === 'settle') return settle(asked)
  return account(asked)
}

async function follow(asked: Extract<FollowCommand, { what: 'follow' }>): Promise<object> {
  const port = Number(new URL(asked.url).port)
  const begin = async (n: number): Promise<Client> => {
    const stream = n === 0 ? undefined : (n - 1) % asked.streams
    const watcher = await startWatcher({
      ...{ port, stream, transport: n % 2 === 0 ? 'sse' : 'websocket' },
      onTold(stage, ...told) {
        const atMs = Date.now()
        hearings.add(watchedStages.indexOf(stage), ...told, atMs)
        if (n === 0) first.add(watchedStages.indexOf(stage), ...told, atMs)
      },
    })
    return { ...watcher, stream }
  }
  for (let n = 0; n < asked.clients; n += AT_ONCE) {
    const some = Array.from({ length: Math.min(AT_ONCE, asked.clients - n) }, (_, k) => begin(n + k))
    clients.push(...(await Promise.all(some)))
  }
  return { clients: clients.length }
}

const AT_ONCE = 25
const LOOK_EVERY_MS = 50

async function settle({ ends, msMax }: Extract<FollowCommand, { what: 'settle' }>): Promise<object> {
  const untilMs = Date.now() + msMax
  for (;;) {
    const behind = clients.flatMap(client =>
      ends.flatMap((end, stream) =>
        (client.stream === undefined || client.stream === stream) && client.at(stream) < end
          ? [`${client.name} has been told of ${client.at(stream)} of the ${end} events of stream ${stream}`]
          : [],
      ),
    )
    if (behind.length === 0 || Date.now() > untilMs) return { behind }
    await sleep(LOOK_EVERY_MS)
  }
}

function account({ schedule, taken }: Extract<FollowCommand, { what: 'account' }>): Followed {
  for (const client of clients) client.end()
  const due = whenDue(taken)
  const latencies = new Map<string, LatencyBySecond>(
    watchedStages.map(stage => [stage, openLatency(schedule)]),
  )
  hearings.each((stage, stream, firstSeq, lastSeq, atMs) => {
    const latency = latencies.get(watchedStages[stage] ?? '')
    for (const { dueMs, events } of due(stream, firstSeq, lastSeq)) latency?.add(dueMs, atMs, events)
  })
  const certifiedBySecond: number[] = []
  first.each((stage, _, firstSeq, lastSeq, atMs) => {
    if (watchedStages[stage] === 'anchored')
      countIn(certifiedBySecond, secondOf(schedule, atMs), lastSeq - firstSeq + 1)
  })
  const sum = (of: (client: Client) => number) => clients.reduce((total, each) => total + of(each), 0)
  const cutOff: Record<string, number> = {}
  for (const { counts } of clients)
    for (const [why, times] of Object.entries(counts.cutOff)) cutOff[why] = (cutOff[why] ?? 0) + times
  return {
    latencies: Object.fromEntries([...latencies].map(([stage, { measured }]) => [stage, measured.entries()])),
    p95BySecond: Object.fromEntries([...latencies].map(([stage, each]) => [stage, each.p95()])),
    certifiedBySecond,
    faults: clients.flatMap(({ faults }) => faults),
    messages: sum(({ counts }) => counts.messages),
    events: sum(({ counts }) => counts.events),
    bytes: sum(({ counts }) => counts.bytes),
    cutOff,
  }
}
