import { isObject, type Json } from '../../canonical-json.ts'
import type { Outcome } from '../../fault.ts'
import type { Submission } from '../submission.ts'
import { fromBare } from './bare.ts'
import { fromCloudEvent } from './cloud-event.ts'
import { fromOverlay } from './overlay.ts'
import { fromStreaming } from './streaming.ts'

/** The shapes that a JSON item can have; a row of CSV is told by its format (./csv-row.ts). */
export const adapters = {
  'cloud-event': fromCloudEvent,
  streaming: fromStreaming,
  overlay: fromOverlay,
  bare: fromBare,
} as const satisfies Record<string, (item: Json) => Outcome<Submission>>

export type Shape = keyof typeof adapters

/**
 * By the members that a shape requires; whatever has no other shape is bare, where nothing of it can be lost.
 * What is recognised decides the eventId, so a source that mixes shapes should fix its own.
 */
export function recognizeShape(item: Json): Shape {
  if (!isObject(item)) return 'bare'
  const has = (...members: string[]) => members.every(member => Object.hasOwn(item, member))
  if (has('specversion')) return 'cloud-event'
  if (has('id', 'type', 'source', 'timestamp', 'data')) return 'streaming'
  if (has('eventType', 'data')) return 'overlay'
  return 'bare'
}

export function readSubmission(item: Json, shape: Shape = recognizeShape(item)): Outcome<Submission> {
  return adapters[shape](item)
}
