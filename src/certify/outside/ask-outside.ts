import { eventsAsked } from './events-asked.ts'
import type {
  AskedEvent,
  CallCertifier,
  OutsideAnswer,
  OutsideFailure,
  OutsidePacket,
  OutsideQuestion,
  OutsideStore,
} from './ports.ts'

export type AskOutsideDeps = {
  readonly store: OutsideStore
  readonly call: CallCertifier
  readonly triesMax: number
  retryMs(tries: number): number
  now(): number
  isStopping(): boolean
  /** Stops there, in tests. */
  at(step: 'outside.taken' | 'outside.answered' | 'outside.recorded'): void
  onFailure(error: unknown, packetId: string): void
  readonly atOnce?: number
}

/** Calls under way at the same time. */
const AT_ONCE = 8
/** Between two times that a packet is kept ours. */
const EVENTS_AT_ONCE = 64

/** Asks about the events of one packet, each until it has answered or was asked often enough. */
export async function askOutside(deps: AskOutsideDeps): Promise<'more' | 'none'> {
  const [packet] = await deps.store.take(1)
  if (packet === undefined) return 'none'
  deps.at('outside.taken')
  const questions = await read(packet, deps)
  if (questions === undefined) return 'more'
  const ids = [...questions.keys()]
  for (let i = 0; i < ids.length && !deps.isStopping(); i += EVENTS_AT_ONCE) {
    if (i > 0 && !(await deps.store.keep(packet))) return 'more'
    await askAbout(packet, ids.slice(i, i + EVENTS_AT_ONCE), questions, deps)
  }
  await deps.store.letGo(packet, deps.isStopping() ? 'interrupted' : 'asked')
  return 'more'
}

type Questions = ReadonlyMap<string, () => OutsideQuestion>

async function read(
  packet: OutsidePacket,
  { store, triesMax, retryMs, now, onFailure }: AskOutsideDeps,
): Promise<Questions | undefined> {
  try {
    return eventsAsked(packet.header, await packet.read())
  } catch (error) {
    onFailure(error, packet.packetId)
    const tries = packet.attempts
    await store.unreadable(packet, tries < triesMax ? now() + retryMs(tries) : undefined)
    return undefined
  }
}

/** Resolves with why it could not be: that counts as a failure too, or the same would be asked for ever. */
async function record(
  event: AskedEvent,
  answer: OutsideAnswer,
  { store, onFailure }: AskOutsideDeps,
): Promise<OutsideFailure | undefined> {
  try {
    await store.answered(event, answer)
    return undefined
  } catch (error) {
    onFailure(error, event.packetId)
    return {
      status: answer.status,
      why: `certifier-failed:${answer.status}: what it answered could not be kept`,
    }
  }
}

async function askAbout(
  packet: OutsidePacket,
  eventIds: readonly string[],
  questions: Questions,
  deps: AskOutsideDeps,
): Promise<void> {
  const { store, call, triesMax, retryMs, now, at, isStopping, atOnce = AT_ONCE } = deps
  const due = [...(await store.due(packet, eventIds))]
  const askNext = async () => {
    for (let next = due.pop(); next !== undefined && !isStopping(); next = due.pop()) {
      const { eventId, attempts } = next
      const question = questions.get(eventId)
      if (question === undefined) continue
      const event = { eventId, packetId: packet.packetId }
      const said = await call(question())
      at('outside.answered')
      const tries = attempts + 1
      const failure = said.ok ? await record(event, said.answer, deps) : said.failure
      if (failure !== undefined)
        await store.failed(event, failure, tries < triesMax ? now() + retryMs(tries) : undefined)
      at('outside.recorded')
    }
  }
  await Promise.all(Array.from({ length: atOnce }, askNext))
}
