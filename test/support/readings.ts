import type { JsonObject } from '../../src/core/canonical-json.ts'

let made = 0

/** Events that nobody has sent before. */
export function readings(count: number): JsonObject[] {
  return Array.from({ length: count }, () => {
    made += 1
    return { eventType: 'reading', externalId: `r-${made}`, data: { value: made } }
  })
}
