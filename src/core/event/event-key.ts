import { compilePath, type Pointer } from '../path.ts'
import type { Envelope } from './envelope.ts'

/** A longer key is none: state is bounded, and a publisher must not fill it with a few names. */
const KEY_CHARS_MAX = 256

/** What tells the things apart that a stream's events are about; undefined where an event does not say. */
export function compileKey(field: Pointer | undefined): (event: Envelope) => string | undefined {
  const read = field === undefined ? undefined : compilePath(field)
  return event => {
    const value = read === undefined ? event.partitionKey : read(event.payload)
    if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean') return undefined
    const key = String(value)
    return key.length <= KEY_CHARS_MAX ? key : undefined
  }
}
