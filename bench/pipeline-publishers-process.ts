import { setTimeout as sleep } from 'node:timers/promises'
import { answerAsked } from './fanout/ask-process.ts'
import { type Connection, openConnection } from './ingest/connection.ts'
import { type PublishCommand, type Published, publishCommand } from './pipeline/commands.ts'
import { placeOf, UnexpectedAnswer } from './pipeline/place-of.ts'
import { batchAt, batchesOf } from './pipeline/schedule.ts'
import { type SentBatch, streamOf } from './pipeline/sent.ts'
import { referenceEvent } from './reference-event.ts'

/* Publishers by a schedule: what is due is sent whatever became of what was sent before, and its time counts from when it was due. */

answerAsked(publishCommand, publish)

async function publish(asked: PublishCommand): Promise<Published> {
  const { url, connections, schedule, giveUpMs } = asked
  const batches = batchesOf(schedule)
  const taken: SentBatch[] = []
  const refused: Record<string, number> = {}
  let next = 0
  await Promise.all(
    Array.from({ length: connections }, async () => {
      let connection: Connection | undefined
      for (let n = next++; n < batches && Date.now() < giveUpMs; n = next++) {
        const { dueMs, stream, firstEvent } = batchAt(schedule, n)
        // Written before it is due, so that writing it is nothing that is waited for.
        const body = bodyFrom(firstEvent, schedule.batch)
        const early = dueMs - Date.now()
        if (early > 0) await sleep(early)
        try {
          connection ??= await openConnection(url, 'application/x-ndjson')
          const answer = await connection.ask(`/ingest/events?sourceId=${streamOf(stream)}`, body)
          const answeredMs = Date.now()
          if (answer.status >= 200 && answer.status < 300)
            taken.push({ stream, dueMs, answeredMs, ...placeOf(answer.text, schedule.batch) })
          else countRefused(refused, String(answer.status))
        } catch (error) {
          if (!(error instanceof Error) || error instanceof UnexpectedAnswer) throw error
          // The connection is gone, and with it the answer: the next batch has another one.
          countRefused(refused, error.message)
          connection?.close()
          connection = undefined
        }
      }
      connection?.close()
    }),
  )
  const notSent = batches - taken.length - Object.values(refused).reduce((sum, count) => sum + count, 0)
  return { taken, refused, notSent }
}

function bodyFrom(from: number, batch: number): Uint8Array {
  let text = ''
  for (let i = from; i < from + batch; i++) text += `${JSON.stringify(referenceEvent(i))}\n`
  return Buffer.from(text)
}

function countRefused(refused: Record<string, number>, why: string): void {
  refused[why] = (refused[why] ?? 0) + 1
}
