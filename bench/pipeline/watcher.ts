import { setTimeout as sleep } from 'node:timers/promises'
import { type Connection, connectSse, connectWebSocket } from './connect.ts'
import { numberOf } from './sent.ts'

/** A client that does nothing but read, and goes on where it stood when it was cut off. */
export type Watcher = {
  readonly name: string
  readonly counts: {
    messages: number
    events: number
    bytes: number
    readonly cutOff: Record<string, number>
  }
  readonly faults: readonly string[]
  /** How far it has been told of a stream, at every stage that it follows. */
  at(stream: number): number
  end(): void
}

export type WatcherOptions = {
  readonly port: number
  readonly transport: 'sse' | 'websocket'
  /** Everything where it is not there. */
  readonly stream: number | undefined
  onTold(stage: WatchedStage, stream: number, firstSeq: number, lastSeq: number): void
}

/** `received` is the feed, `anchored` what is certified and known to the network. */
export const watchedStages = ['received', 'anchored'] as const
export type WatchedStage = (typeof watchedStages)[number]

const AGAIN_MS = 200
const FAULTS_MAX = 20

/** Follows from the first event on. Resolves once it is let in. */
export async function startWatcher(options: WatcherOptions): Promise<Watcher> {
  const { port, transport, stream, onTold } = options
  const name = `the client of ${stream === undefined ? 'everything' : `stream ${stream}`} by ${transport}`
  const counts = { messages: 0, events: 0, bytes: 0, cutOff: {} as Record<string, number> }
  const faults: string[] = []
  const nexts = new Map<string, number>()
  const track = (of: number, stage: WatchedStage) => `${of} ${stage}`
  const fault = (text: string) => {
    if (faults.length < FAULTS_MAX) faults.push(`${name}: ${text}`)
  }
  const take = (json: string) => {
    counts.messages += 1
    counts.bytes += json.length
    const said = readWatched(json)
    if (said.type === 'gap') return fault(`a gap: ${json.slice(0, 300)}`)
    const stage = watchedStages.find(each => each === said.type)
    const of = said.streamId === undefined ? undefined : numberOf(said.streamId)
    if (stage === undefined || of === undefined || said.firstSeq === undefined) return
    const lastSeq = said.lastSeq ?? said.firstSeq - 1
    const next = nexts.get(track(of, stage)) ?? 0
    if (said.firstSeq !== next)
      fault(`${stage} events of stream ${of} from ${said.firstSeq} on, where ${next} comes next`)
    nexts.set(track(of, stage), lastSeq + 1)
    counts.events += lastSeq - said.firstSeq + 1
    onTold(stage, of, said.firstSeq, lastSeq)
  }

  const query = `status=${watchedStages.join(',')}${stream === undefined ? '' : `&streams=bench-${stream}`}`
  const connect = transport === 'sse' ? connectSse : connectWebSocket
  let [cursor, isOver] = ['earliest', false]
  let connection: Connection | undefined
  await new Promise<void>(resolve => {
    const open = () => {
      let lastWord = ''
      const own = connect(
        { port, path: `/watch?${query}`, cursor },
        {
          onMessage(json, at) {
            if (json.startsWith('{"type":"slow"') || json.startsWith('{"type":"bye"'))
              lastWord = json.slice(9, 13)
            take(json)
            cursor = at ?? cursor
            resolve()
          },
          async onEnd(why) {
            // Said twice where a connection breaks.
            if (isOver || connection !== own) return
            connection = undefined
            const reason = lastWord === '' ? why : lastWord
            counts.cutOff[reason] = (counts.cutOff[reason] ?? 0) + 1
            await sleep(AGAIN_MS)
            if (!isOver) open()
          },
        },
      )
      connection = own
    }
    open()
  })
  return {
    ...{ name, counts, faults },
    at: of => Math.min(...watchedStages.map(stage => nexts.get(track(of, stage)) ?? 0)),
    end() {
      isOver = true
      connection?.destroy()
    },
  }
}

type Watched = { type: string; streamId?: string; firstSeq?: number; lastSeq?: number | null }
const idsAt = '"eventIds":['

/** Ids are most of a message, and of no use to whoever looks at nothing but what follows what. */
function readWatched(json: string): Watched {
  const from = json.indexOf(idsAt)
  if (from < 0) return JSON.parse(json)
  return JSON.parse(`${json.slice(0, from + idsAt.length)}${json.slice(json.indexOf(']', from))}`)
}
