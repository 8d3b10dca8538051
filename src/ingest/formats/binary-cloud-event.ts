import { fromUtf8 } from '../../core/bytes.ts'
import { fromBinaryMode, type HttpHeaders } from '../../core/event/adapters/cloud-event-http.ts'
import { isJsonType } from '../../core/event/adapters/media.ts'
import type { ReceivedItem } from '../arrived.ts'
import { outlineJson } from './json-outline.ts'
import { ITEM_DEPTH_MAX } from './limits.ts'
import { readItem, rejectedItem, tooDeep } from './read-item.ts'

/** The one event of a request: its attributes in headers, its data the body, whatever that is. */
export function readBinaryCloudEvent(
  body: Uint8Array,
  headers: HttpHeaders,
  recordBytesMax: number,
): ReceivedItem {
  if (body.length > recordBytesMax)
    return rejectedItem('event-unreadable', `the data is longer than ${recordBytesMax} bytes; send less`)
  const mediaType = headers['content-type']
  const text = typeof mediaType === 'string' && isJsonType(mediaType) ? fromUtf8(body) : undefined
  const outline = text === undefined ? noMembers : outlineJson(text, ITEM_DEPTH_MAX)
  if (outline === undefined) return tooDeep
  const event = fromBinaryMode({ headers, body })
  if (!event.ok) return { submission: event, flags: 0 }
  // In its JSON form each attribute and the data are members, too.
  return readItem(event.value, outline.members + Object.keys(event.value).length, 'cloud-event')
}

const noMembers = { members: 0, parts: 0 }
