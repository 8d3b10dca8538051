import { expect } from 'vitest'
import * as z from 'zod'
import type { Arrived } from '../../src/ingest/arrived.ts'
import { HttpClient } from '../http/raw-http.ts'
import { type LiveBed, openLiveBed, type ServedLive } from './live-bed.ts'
import { party } from './pipeline.ts'
import { readings } from './readings.ts'
import { testOnlyIdentityHeader } from './test-only-authentication.ts'
import { until } from './until.ts'
import { type WebhookReceiver, webhookReceiver } from './webhook-receiver.ts'

/** A log, a process that delivers what is certified, by a clock of the test's own, and an identity that subscribes. */
export type SubscriptionsBed = LiveBed & {
  readonly served: ServedLive
  /** Hours before the real one, so that there is time to let pass. */
  readonly time: { now(): number; pass(ms: number): void; behind(): number }
  readonly owner: string
  receiver(): Promise<WebhookReceiver>
  ask(method: string, path: string, body?: unknown, identityKey?: string): Promise<Answered>
  /** A webhook of the owner's, that has consented. */
  webhook(receiver: WebhookReceiver, more?: object): Promise<{ readonly id: string; readonly secret: string }>
  shown(id: string): Promise<z.output<typeof shownShape>>
  /** Takes in, seals and certifies events, in one packet; their ids. */
  certify(count: number, streamId?: string): Promise<string[]>
}

type Answered = { readonly status: number; readonly body: z.output<typeof answerShape> }

const answerShape = z.looseObject({})
const shownShape = z.looseObject({
  subscriptionId: z.string(),
  status: z.string(),
  reason: z.string().nullable(),
  position: z.string(),
  webhook: z
    .looseObject({
      consent: z.string(),
      attempts: z.number(),
      failingSince: z.string().nullable(),
      nextTryAt: z.string().nullable(),
      lastError: z.string().nullable(),
      delivered: z.number(),
      batchMax: z.number(),
    })
    .nullable(),
})
const madeShape = z.object({ subscription: shownShape, secret: z.string() })

const BEFORE_MS = 1_000 * 3_600_000

export async function openSubscriptionsBed(
  env: Readonly<Record<string, string>> = {},
): Promise<SubscriptionsBed> {
  const bed = await openLiveBed()
  let passedMs = 0
  const time = {
    now: () => Date.now() - BEFORE_MS + passedMs,
    pass(ms: number) {
      passedMs += ms
    },
    behind: () => BEFORE_MS - passedMs,
  }
  const served = await bed.serve({ env, subscriptions: time })
  const client = new HttpClient(served.port)
  const receivers: WebhookReceiver[] = []
  const owner = party('who subscribes').identityKey
  const ask: SubscriptionsBed['ask'] = async (method, path, body, identityKey = owner) => {
    const answer = await client.send({
      ...{ method, path },
      headers: { [testOnlyIdentityHeader]: identityKey },
      ...(body !== undefined && { body: Buffer.from(JSON.stringify(body)) }),
    })
    return { status: answer.status, body: answerShape.parse(JSON.parse(answer.body.toString())) }
  }
  const shown: SubscriptionsBed['shown'] = async id =>
    shownShape.parse((await ask('GET', `/overlay/subscriptions/${id}`)).body)
  return {
    ...bed,
    ...{ served, time, owner, ask, shown },
    async receiver() {
      const receiver = await webhookReceiver()
      receivers.push(receiver)
      return receiver
    },
    async webhook(receiver, more = {}) {
      const made = await ask('POST', '/overlay/subscriptions', {
        type: 'webhook',
        callbackUrl: receiver.url,
        ...more,
      })
      expect(made).toMatchObject({ status: 201 })
      const { subscription, secret } = madeShape.parse(made.body)
      const id = subscription.subscriptionId
      await until(async () => (await shown(id)).webhook?.consent === 'given')
      return { id, secret }
    },
    async certify(count, streamId) {
      const how: Partial<Arrived> =
        streamId === undefined ? {} : { source: { ...bed.source, streams: [streamId] } }
      const ids = await bed.append(readings(count), how)
      const before = await reachedPackets(bed)
      await bed.seal()
      for (const { partitionId, packetNo } of await reachedPackets(bed))
        if (!before.some(each => each.partitionId === partitionId && each.packetNo === packetNo))
          await bed.reach(packetNo, 'anchored', partitionId)
      return ids
    },
    async end() {
      client.close()
      await bed.end()
      for (const receiver of receivers) await receiver.stop()
    },
  }
}

async function reachedPackets(bed: LiveBed): Promise<{ partitionId: number; packetNo: number }[]> {
  const { rows } = await bed.database.pool.query<{ partitionId: number; packetNo: number }>(
    'select partition_id as "partitionId", packet_no as "packetNo" from packets order by 1, 2',
  )
  return rows
}
