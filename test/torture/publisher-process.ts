import { appendFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import * as z from 'zod'
import { openPublisher, PublishError } from '../../src/client/index.ts'
import { choicesFrom } from '../core/rounds/simulator/choices.ts'
import { bump, type Sent } from './journals.ts'
import { publishers } from './traffic.ts'

/*
 * Publishers as others are: what is sent is tried until it is answered for, and each answer is a line of the journal. Their
 * argument is `publisherOrders`; they send until their standard input ends, and end once all is answered for.
 */

const orders = z
  .object({ urls: z.array(z.string()), seed: z.number(), perSecond: z.number(), journal: z.string() })
  .parse(JSON.parse(process.argv[2] ?? ''))

/** As long as anything here runs. */
const PATIENCE_MS = 3_600_000
/** Nobody answers a request that is on its way through a node that is stopped. */
const ANSWER_MS = 10_000
/** Of a hundred events, so many are sent again later, through another node. */
const REPEATED_PERCENT = 10
const REPEATABLE_MAX = 500

let isOver = false
process.stdin.on('end', () => {
  isOver = true
})
process.stdin.resume()

await Promise.all(publishers.map((publisher, n) => publishAs(publisher, n)))

async function publishAs({ sourceId, node }: (typeof publishers)[number], n: number): Promise<void> {
  const choices = choicesFrom(orders.seed + n)
  const open = (at: number) =>
    openPublisher({
      ...{ url: orders.urls[at % orders.urls.length] ?? '', sourceId },
      ...{ patienceMs: PATIENCE_MS, answerMs: ANSWER_MS },
    })
  const [own, other] = [open(node), open(node + 1)]
  const answered: number[] = []
  const send = async (through: typeof own, id: number, kind: Sent['kind']) => {
    const event = { eventType: 'reading', externalId: `${sourceId}/${id}`, data: readingOf(id) }
    try {
      const outcome = await through.send(event)
      const eventId = 'eventId' in outcome ? outcome.eventId : null
      const seq = 'seq' in outcome ? outcome.seq : null
      note({ sourceId, id, kind, status: outcome.status, eventId, seq, why: null })
      if (kind === 'first') answered.push(id)
    } catch (error) {
      if (!(error instanceof PublishError)) throw error
      note({ sourceId, id, kind, status: 'unanswered', eventId: null, seq: null, why: error.message })
    }
  }
  for (let id = 0; !isOver; id++) {
    await own.room()
    void send(own, id, 'first')
    const again = answered[choices.pick(answered.length)]
    if (again !== undefined && choices.chance(REPEATED_PERCENT)) void send(other, again, 'again')
    answered.splice(0, answered.length - REPEATABLE_MAX)
    await pause(bump(choices, 1_000 / orders.perSecond))
  }
  await Promise.all([own.close(), other.close()])
}

function readingOf(id: number): object {
  return { celsius: id % 40, note: 'x'.repeat(id % 200) }
}

function note(sent: Sent): void {
  appendFileSync(orders.journal, `${JSON.stringify(sent)}\n`)
}
