import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import * as z from 'zod'
import { watch } from '../../src/client/index.ts'
import { type Child, startChild } from '../../test/node/child-node.ts'
import { freePort } from '../../test/support/free-port.ts'
import { type Examples, type Feed, inJson, readFeeds } from './files.ts'

/** What a node and its agents make of the feeds: everything is sent to real processes and asked of them. */
export async function makeExamples(folder: string): Promise<Examples> {
  const feeds = readFeeds()
  const port = String(await freePort())
  const node = startChild(['up', '--no-demo', '--port', port, '--data-dir', path.join(folder, 'node')], {
    LOCAL_BLOCK_MS: '200',
    INGEST_SOURCES_JSON: JSON.stringify(
      feeds.map(({ sourceId, source }) => ({ id: sourceId, ...without(source) })),
    ),
  })
  try {
    const url = `http://127.0.0.1:${port}`
    await patiently(node, async () => node.said().includes('Assay is running'))
    const examples = new Map<string, string>()
    const made = await Promise.all(feeds.map(feed => exampleOf(url, node, feed)))
    for (const [n, files] of made.entries())
      for (const [name, text] of files) examples.set(`feeds/${feeds[n]?.kind}/${name}`, text)
    const [sensor] = feeds.filter(({ kind }) => kind === 'sensor')
    if (sensor !== undefined)
      for (const [name, text] of await oneEvent(url, node, sensor, folder))
        examples.set(`one-event/${name}`, text)
    return examples
  } finally {
    node.signal('SIGINT')
    await node.exited
  }
}

function without(source: object): object {
  return Object.fromEntries(Object.entries(source).filter(([name]) => name !== 'sourceId'))
}

const answered = z.object({ items: z.array(z.object({ status: z.string(), eventId: z.string() })) })
const bundle = z.looseObject({
  target: z.string(),
  manifests: z.array(z.looseObject({ manifest: z.json() })),
})

/** One after the other, so that each is a version that descends from the one before. */
async function exampleOf(url: string, node: Child, feed: Feed): Promise<[string, string][]> {
  const became: object[] = []
  let versionId = ''
  for (const sent of feed.events) {
    const eventId = await send(url, feed.sourceId, sent)
    const proven = await patiently(node, () => whenProven(url, eventId))
    versionId = proven.versionId
    became.push({ sent, ...proven.became })
  }
  const askedReady = () => get(url, `/ready?versionId=${versionId}`, ready)
  await patiently(node, async () => (await askedReady())?.ready)
  const bundled = await patiently(node, () => get(url, `/bundle?versionId=${versionId}`, bundle))
  return [
    ['source.json', inJson(feed.source)],
    ['became.json', inJson(became)],
    ['manifest.json', inJson(bundled.manifests[0]?.manifest)],
    ['bundle.json', inJson(bundled)],
    ['ready.json', inJson(await askedReady())],
  ]
}

/** What certified events have become, of what does not change from one run to the next. */
async function whenProven(url: string, eventId: string) {
  const traced = await get(url, `/events/${eventId}/trace`, trace)
  const shown = await get(url, `/events/${eventId}`, event)
  if (traced?.packetState !== 'proven' || shown?.versionId == null) return undefined
  const { state, normalized, qualityFlagNames } = shown
  const issues = [...(traced.normalized?.issues ?? []), ...(traced.validated?.issues ?? [])]
  return { versionId: shown.versionId, became: { state, normalized, issues, qualityFlagNames } }
}

const work = z.looseObject({ issues: z.array(z.string()).nullable() }).nullable()
const trace = z.looseObject({ packetState: z.string(), normalized: work, validated: work })
const event = z.looseObject({
  state: z.string(),
  normalized: z.json(),
  qualityFlagNames: z.array(z.string()),
  versionId: z.string().nullable(),
})
const place = z.looseObject({ packetId: z.string(), seq: z.number() })
const ready = z.looseObject({ ready: z.boolean() })

/** From the request to the verdict of somebody who was not there. */
async function oneEvent(url: string, node: Child, feed: Feed, folder: string): Promise<[string, string][]> {
  const sent = { id: 'one', ts: 1_767_600_060_000, room: 'cold-store', celsius: '-18.2', battery: 0.9 }
  const [request, answer] = await sendWhole(url, feed.sourceId, sent)
  const { eventId } = answered.parse(answer).items[0] ?? { eventId: '' }
  await patiently(node, () => whenProven(url, eventId))
  const placed = await patiently(node, () => get(url, `/events/${eventId}`, place))
  const told = await toldOf(url, feed.sourceId, placed)
  const read = (where: string) => get(url, where, z.json())
  const { logKey, operators } = await trusted(url)
  const proof = await patiently(node, async () => {
    const response = await fetch(`${url}/events/${eventId}/proof`)
    return response.ok && response.text()
  })
  const files = {
    'proof.assay.json': proof,
    'operators.txt': operators.join('\n').concat('\n'),
    'log.txt': `${logKey}\n`,
  }
  for (const [name, text] of Object.entries(files)) writeFileSync(path.join(folder, name), text)
  return [
    ['request.json', inJson(request)],
    ['answer.json', inJson(answer)],
    ['watch.json', inJson(told)],
    ['trace.json', inJson(await read(`/events/${eventId}/trace`))],
    ['certification.json', inJson(await read(`/overlay/events/${eventId}/certification`))],
    ...Object.entries(files),
    ['verified.txt', await verified(folder, logKey)],
  ]
}

/** Stage by stage, until a block has its certificate. */
async function toldOf(
  url: string,
  streamId: string,
  { packetId, seq }: z.infer<typeof place>,
): Promise<object[]> {
  const told: object[] = []
  for await (const { message } of watch({ url, filter: { streams: [streamId] }, from: 'earliest' })) {
    // As it is taken in, an event has no packet yet.
    const isOurs =
      message.type === 'received'
        ? message.firstSeq <= seq && seq <= message.lastSeq
        : 'packetId' in message && message.packetId === packetId
    if (!isOurs) continue
    told.push(message)
    if (message.type === 'proven') break
  }
  return told
}

/** What `assay verify` says of the proof, to whoever trusts this log and these operators. */
async function verified(folder: string, logKey: string): Promise<string> {
  const child = startChild(verifyArgs(folder, logKey), {})
  const { code } = await child.exited
  if (code !== 0) throw new Error(`the proof does not hold:\n${child.said()}`)
  return child.said()
}

export function verifyArgs(folder: string, logKey: string): string[] {
  const operators = path.join(folder, 'operators.txt')
  return ['verify', path.join(folder, 'proof.assay.json'), '--log', logKey, '--operators', operators]
}

async function trusted(url: string) {
  const identity = z.object({ logKey: z.string() })
  const agents = z.object({ agents: z.array(z.object({ operator: z.string() })) })
  const listed = await get(url, '/agents', agents)
  const logKey = (await get(url, '/identity', identity))?.logKey ?? ''
  return { logKey, operators: [...new Set(listed?.agents.map(({ operator }) => operator))].sort() }
}

async function send(url: string, sourceId: string, sent: unknown): Promise<string> {
  const [, answer] = await sendWhole(url, sourceId, sent)
  return answered.parse(answer).items[0]?.eventId ?? ''
}

async function sendWhole(url: string, sourceId: string, sent: unknown): Promise<[object, object]> {
  const request = { sourceId, events: [sent] }
  const response = await fetch(`${url}/ingest/events`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(request),
  })
  return [request, z.looseObject({}).parse(await response.json())]
}

/** Undefined where it is not there yet. */
async function get<T>(url: string, where: string, schema: z.ZodType<T>): Promise<T | undefined> {
  const response = await fetch(`${url}${where}`)
  const read = schema.safeParse(await response.json())
  return response.ok && read.success ? read.data : undefined
}

const LOOK_MS = 500

async function patiently<T>(node: Child, look: () => Promise<T | undefined | false>): Promise<T> {
  for (;;) {
    if (node.hasExited()) throw new Error(`the node has ended:\n${node.said()}`)
    const found = await look()
    if (found !== undefined && found !== false) return found
    await sleep(LOOK_MS)
  }
}
