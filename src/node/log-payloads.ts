import { type Accept, type Arrived, readReceived } from '../ingest/arrived.ts'
import type { Log } from '../runtime/log.ts'
import type { Settings } from '../runtime/settings.ts'

const SHOWN_CHARS_MAX = 2_000
const SHOWN_ITEMS_MAX = 20

/** Writes what is sent into the log, where somebody who looks for a mistake has asked for it; else changes nothing. */
export function logPayloads(accept: Accept, { LOG_PAYLOADS, LOG_LEVEL }: Settings, log: Log): Accept {
  if (!LOG_PAYLOADS) return accept
  if (!log.isLevelEnabled('debug')) {
    log.warn({ level: LOG_LEVEL }, 'LOG_PAYLOADS does nothing without LOG_LEVEL=debug: no payload is logged')
    return accept
  }
  log.warn('LOG_PAYLOADS is on: the log holds what publishers send, also to restricted streams')
  return arrived => {
    for (const sent of shownOf(arrived))
      log.debug({ sourceId: arrived.source.sourceId, streamId: arrived.streamId, sent }, 'sent')
    return accept(arrived)
  }
}

function shownOf({ items }: Arrived): string[] {
  return items.slice(0, SHOWN_ITEMS_MAX).flatMap(item => {
    const { submission } = readReceived(item)
    return submission.ok ? [JSON.stringify(submission.value.payload).slice(0, SHOWN_CHARS_MAX)] : []
  })
}
