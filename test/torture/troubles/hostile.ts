import { setTimeout as pause } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import type { Cluster } from '../cluster.ts'
import { hostileSource } from '../traffic.ts'
import { pickOf, type Trouble } from '../trouble.ts'

/** A publisher that sends what no node should stumble over, as fast as it is answered. */
export const hostile: Trouble = {
  name: 'hostile',
  ms: { min: 2_000, max: 6_000 },
  draw(choices) {
    const sends = pickOf(Object.keys(attacks), choices)
    return { touches: [`hostile ${sends}`], how: { sends } }
  },
  async begin(cluster, { sends }) {
    const attack = attacks[`${sends}`]
    if (attack === undefined) throw new Error(`nobody sends ${sends}`)
    let isOver = false
    const wrong: string[] = []
    const attacking = (async () => {
      for (let n = 0; !isOver; n++) {
        wrong.push(...(await send(cluster, n, attack(n))))
        await pause(PAUSE_MS)
      }
    })()
    return async () => {
      isOver = true
      await attacking
      if (wrong.length > 0) throw new Error(`${wrong.length} answers were wrong, as ${wrong[0]}`)
    }
  },
}

const PAUSE_MS = 50
const ANSWER_MS_MAX = 20_000

type Attack = {
  readonly body: string | Uint8Array
  readonly headers?: Readonly<Record<string, string>>
  /** It must never be taken. */
  readonly isRefused: boolean
}

/** What is answered has to be an answer: no failure of ours, and nothing taken that must not be. */
async function send(
  { nodeUrls }: Cluster,
  n: number,
  { body, headers, isRefused }: Attack,
): Promise<string[]> {
  const url = `${nodeUrls[n % nodeUrls.length]}/ingest/events?sourceId=${hostileSource}`
  const answer = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/x-ndjson', ...headers },
    body: Buffer.from(body),
    signal: AbortSignal.timeout(ANSWER_MS_MAX),
  })
    .then(async response => ({ status: response.status, said: await response.text() }))
    // A connection that was cut off is an answer too, and the node may be away.
    .catch(() => undefined)
  if (answer === undefined) return []
  const { status, said } = answer
  if (status === 500) return [`500: ${said.slice(0, 300)}`]
  return isRefused && status < 300 && takesAny(said)
    ? [`${status} for what must be refused: ${said.slice(0, 300)}`]
    : []
}

/** A request is answered 200 although nothing of it was taken: what became of its items is in there. */
function takesAny(said: string): boolean {
  const { counts } = JSON.parse(said) as { counts: { accepted: number; revision: number } }
  return counts.accepted + counts.revision > 0
}

const event = (id: string, data: unknown) =>
  `${JSON.stringify({ eventType: 'reading', externalId: id, data })}\n`
/** A hundred megabytes of one event, in a hundred kilobytes. */
const bomb = gzipSync(event('bomb', ' '.repeat(100 * 1024 ** 2)))
const oversized = event('oversized', 'x'.repeat(3 * 1024 ** 2))

const attacks: Readonly<Record<string, (n: number) => Attack>> = {
  'what is too large': () => ({ body: oversized, isRefused: true }),
  'what is malformed': n => ({ body: malformed[n % malformed.length] ?? '', isRefused: true }),
  'other content under one key': n => ({
    body: event(`under-one-key-${n}`, n),
    headers: { 'Idempotency-Key': `hostile-${n >> 2}` },
    isRefused: false,
  }),
  // The last of its values wins, and the event says so.
  'a key that repeats': () => ({
    body: '{"eventType":"reading","data":{"a":1,"a":2}}\n',
    isRefused: false,
  }),
  'other content under one id': n => ({ body: event(`one-id-${n >> 3}`, n), isRefused: false }),
  'what bursts': () => ({ body: bomb, headers: { 'content-encoding': 'gzip' }, isRefused: true }),
}

const malformed: readonly (string | Uint8Array)[] = [
  '{"eventType":"reading","data":{"a":1}',
  '{"eventType":7,"data":{}}\n',
  '\u0000\u0000\u0000\n',
  new Uint8Array([0xff, 0xfe, 0xc3, 0x28, 0x0a]),
  `${'['.repeat(20_000)}\n`,
  '{"eventType":"reading","data":1e999}\n',
]
