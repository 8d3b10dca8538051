import type { Request } from 'express'
import type { FoundEvent } from '../../adapters/projections/find-event.ts'
import { utf8 } from '../../core/bytes.ts'
import { canonicalJson } from '../../core/canonical-json.ts'
import { toCloudEvent } from '../../core/event/adapters/cloud-event.ts'
import { toBinaryMode } from '../../core/event/adapters/cloud-event-http.ts'
import type { Problem } from '../problem.ts'

const STRUCTURED_TYPE = 'application/cloudevents+json'
/** Readers refuse an answer whose headers are longer than about twice this. */
const BINARY_HEADER_BYTES_MAX = 8 * 1024

type CloudEventMode = 'structured' | 'binary'

/**
 * An event is a CloudEvent for whoever accepts that before plain JSON. What is asked for in binary mode, whose content type
 * is that of the data, no Accept can say: `?mode=binary` does.
 */
export function cloudEventMode(request: Request): CloudEventMode | undefined {
  if (request.query['mode'] === 'binary') return 'binary'
  return request.accepts(['application/json', STRUCTURED_TYPE]) === STRUCTURED_TYPE ? 'structured' : undefined
}

export type CloudEventMessage = {
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
}

/** As its publisher sent it, with all that ingest knows of it in one extension attribute. */
export function cloudEventMessage(
  { envelope }: FoundEvent,
  mode: CloudEventMode,
): CloudEventMessage | Problem {
  if (envelope === undefined) return unsaid('the log keeps only the digest of its line')
  const event = toCloudEvent(envelope)
  if (!event.ok) return unsaid(event.fault.detail)
  if (mode === 'structured')
    return { headers: { 'Content-Type': STRUCTURED_TYPE }, body: utf8(canonicalJson(event.value)) }
  const message = toBinaryMode(event.value)
  if (!message.ok) return unsaid(message.fault.detail)
  const headers = Object.entries(message.value.headers).map(([name, value]) => [name, String(value)] as const)
  const bytes = headers.reduce((sum, [name, value]) => sum + name.length + value.length, 0)
  if (bytes > BINARY_HEADER_BYTES_MAX)
    return unsaid(`its attributes are longer than ${BINARY_HEADER_BYTES_MAX} bytes of headers`)
  return { headers: Object.fromEntries(headers), body: message.value.body }
}

function unsaid(why: string): Problem {
  return {
    code: 'bad-request',
    detail: `the event cannot be given as a CloudEvent in this way: ${why}`,
    hint: `ask for it with Accept: ${STRUCTURED_TYPE}, or as plain JSON`,
  }
}
