import type { ChangeDeps } from '../../adapters/registry/changing.ts'
import { showSource, showStream } from '../../adapters/registry/list-registry.ts'
import { putSource } from '../../adapters/registry/put-source.ts'
import { putStream } from '../../adapters/registry/put-stream.ts'
import { openPublisher, type Publisher, subscribe } from '../../client/index.ts'
import { orThrow } from '../../core/fault.ts'
import { readSource } from '../../core/registry/read-source.ts'
import { readStream } from '../../core/registry/read-stream.ts'
import type { Log } from '../../runtime/log.ts'
import { pause } from '../../runtime/pause.ts'
import { openSeldom } from '../../runtime/seldom.ts'
import { BEAT_MS, demoReadings, demoSources, demoStreams } from './demo-feeds.ts'

export type DemoDeps = {
  readonly url: string
  readonly registry: ChangeDeps
  readonly log: Log
  now(): number
  /** Told of the first event that is certified since, once. */
  onCertified(eventId: string): void
}

/** Sends what the demo says through the node's door, beat by beat, until it is stopped. */
export async function runDemo(deps: DemoDeps): Promise<{ stop(): Promise<void> }> {
  await register(deps.registry)
  const stopping = new AbortController()
  const watching = sayFirstCertified(deps, stopping.signal)
  const sending = send(deps, stopping.signal)
  return {
    async stop() {
      stopping.abort()
      await Promise.all([watching, sending])
    },
  }
}

/** Made where they are missing; what somebody has changed since stays changed. */
async function register(registry: ChangeDeps): Promise<void> {
  for (const stream of demoStreams.map(each => orThrow(readStream(each, registry.levelByDefault))))
    if ((await showStream(registry.pool, stream.streamId)) === undefined)
      orThrow(await putStream(registry, stream, who))
  for (const source of demoSources.map(each => orThrow(readSource(each))))
    if ((await showSource(registry.pool, source.sourceId)) === undefined)
      orThrow(await putSource(registry, source, who))
}

const who = 'demo'

/** So long an event of the demo is tried; there is a next one soon. */
const PATIENCE_MS = 5_000

async function send({ url, log, now }: DemoDeps, stop: AbortSignal): Promise<void> {
  const publishers = new Map<string, Publisher>()
  const publisherOf = (sourceId: string) => {
    const publisher = publishers.get(sourceId) ?? openPublisher({ url, sourceId, patienceMs: PATIENCE_MS })
    publishers.set(sourceId, publisher)
    return publisher
  }
  const seldom = openSeldom()
  while (!stop.aborted) {
    for (const { sourceId, event } of demoReadings(Math.floor(now() / BEAT_MS)))
      publisherOf(sourceId)
        .send(event)
        .catch(error =>
          seldom(sourceId, leftOut =>
            log.warn({ err: error, sourceId, leftOut }, 'an event of the demo was not taken'),
          ),
        )
    await pause(BEAT_MS - (now() % BEAT_MS), stop)
  }
  await Promise.all([...publishers.values()].map(each => each.close()))
}

async function sayFirstCertified({ url, log, onCertified }: DemoDeps, stop: AbortSignal): Promise<void> {
  const streams = ['demo-greenhouse', 'demo-turnstile']
  try {
    for await (const { message } of subscribe({ url, filter: { streams }, signal: stop })) {
      if (message.type !== 'event') continue
      onCertified(message.eventId)
      return
    }
  } catch (error) {
    // The demo goes on without: what it waits for can be seen in other ways.
    log.warn({ err: error }, 'live events cannot be followed here')
  }
}
