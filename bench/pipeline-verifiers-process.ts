import { setTimeout as sleep } from 'node:timers/promises'
import * as z from 'zod'
import { type Subscription, subscribe } from '../src/client/index.ts'
import type { EventsMessage } from '../src/client/subscribe/messages.ts'
import { answerAsked } from './fanout/ask-process.ts'
import { openLatency } from './pipeline/by-second.ts'
import { type FollowCommand, type Followed, followCommand } from './pipeline/commands.ts'
import { batchAt } from './pipeline/schedule.ts'
import { streamOf } from './pipeline/sent.ts'

/* Clients who believe nothing: the client library holds each line against its packet's proof before they have it. */

type Verifier = {
  readonly stream: number
  readonly items: Subscription<EventsMessage>
  /** Ids of what was verified: nobody may be given an event twice. */
  readonly seen: Set<string>
  repeated: number
  /** By the number that its publisher gave an event, and when it came. */
  readonly hearings: { readonly number: number; readonly atMs: number }[]
  readonly cutOff: Record<string, number>
  readonly faults: string[]
}
const verifiers: Verifier[] = []
/** The policy of the benchmark calls it so. */
const certified = z.object({ number: z.int() })
const FAULTS_MAX = 20

answerAsked(followCommand, obey)

async function obey(asked: FollowCommand): Promise<object> {
  if (asked.what === 'follow') {
    for (let n = 0; n < asked.clients; n++) begin(n % asked.streams, asked)
    return { clients: verifiers.length }
  }
  if (asked.what === 'settle') return settle(asked)
  return account(asked)
}

function begin(stream: number, asked: Extract<FollowCommand, { what: 'follow' }>): void {
  const verifier: Verifier = {
    ...{ stream, seen: new Set<string>(), repeated: 0, hearings: [], cutOff: {}, faults: [] },
    items: subscribe({
      url: asked.url,
      filter: { streams: [streamOf(stream)] },
      from: 'earliest',
      // A local chain is nobody's proof but its owner's, who is the one that measures.
      verify: { logs: new Set([asked.logKey]), operators: new Set(asked.operators), allowLocal: true },
      onState(state) {
        if (state.kind !== 'lost') return
        const { detail } = state.refusal
        verifier.cutOff[detail] = (verifier.cutOff[detail] ?? 0) + 1
      },
    }),
  }
  verifiers.push(verifier)
  read(verifier).catch(error => fault(verifier, String(error)))
}

async function read(verifier: Verifier): Promise<void> {
  for await (const { message, verified } of verifier.items) {
    const atMs = Date.now()
    if (message.type !== 'event') {
      fault(verifier, `told of "${message.type}", where every event is certified`)
      continue
    }
    if (verified === 'not checked')
      fault(verifier, `${message.eventId} was handed out without being verified`)
    if (verifier.seen.has(message.eventId)) verifier.repeated += 1
    verifier.seen.add(message.eventId)
    verifier.hearings.push({ number: certified.parse(message.data).number, atMs })
  }
}

function fault({ faults, stream }: Verifier, text: string): void {
  if (faults.length < FAULTS_MAX) faults.push(`the verifying client of stream ${stream}: ${text}`)
}

const LOOK_EVERY_MS = 50

async function settle({ ends, msMax }: Extract<FollowCommand, { what: 'settle' }>): Promise<object> {
  const untilMs = Date.now() + msMax
  for (;;) {
    const behind = verifiers.flatMap(({ stream, seen, faults }) =>
      seen.size < (ends[stream] ?? 0) && faults.length === 0
        ? [`the verifying client of stream ${stream} has verified ${seen.size} of its ${ends[stream]} events`]
        : [],
    )
    if (behind.length === 0 || Date.now() > untilMs) return { behind }
    await sleep(LOOK_EVERY_MS)
  }
}

function account({ schedule }: Extract<FollowCommand, { what: 'account' }>): Followed {
  for (const { items } of verifiers) items.close()
  const latency = openLatency(schedule)
  // Below 0 are those ahead of the schedule.
  for (const { hearings } of verifiers)
    for (const { number, atMs } of hearings)
      if (number >= 0) latency.add(batchAt(schedule, Math.floor(number / schedule.batch)).dueMs, atMs, 1)
  const cutOff: Record<string, number> = {}
  for (const each of verifiers)
    for (const [why, times] of Object.entries(each.cutOff)) cutOff[why] = (cutOff[why] ?? 0) + times
  const events = verifiers.reduce((sum, { hearings }) => sum + hearings.length, 0)
  return {
    latencies: { verified: latency.measured.entries() },
    p95BySecond: { verified: latency.p95() },
    certifiedBySecond: [],
    faults: verifiers.flatMap(({ faults, repeated, stream }) =>
      repeated === 0
        ? faults
        : [...faults, `the verifying client of stream ${stream}: ${repeated} events came twice`],
    ),
    ...{ messages: events, events, bytes: 0, cutOff },
  }
}
