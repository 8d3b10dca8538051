/** Bits of `qualityFlags`. They combine, and a later stage adds to them but never clears one. */
export const qualityFlags = {
  INVALID_SCHEMA: 0x0001,
  STALE_EVENT_TIME: 0x0002,
  FUTURE_EVENT_TIME: 0x0004,
  DUPLICATE_EVENT: 0x0008,
  SOURCE_DIVERGENCE: 0x0010,
  OUTLIER_DETECTED: 0x0020,
  PARTIAL_COVERAGE: 0x0040,
  CONNECTOR_DEGRADED: 0x0080,
  QUARANTINED: 0x0100,
  BACKFILL: 0x0200,
  REVISION: 0x0400,
  LATE: 0x0800,
  ARRIVAL_TIME: 0x1000,
  STATE_GAP: 0x2000,
  DUPLICATE_KEYS: 0x4000,
} as const

export type QualityFlag = keyof typeof qualityFlags

export function namesOf(flags: number): QualityFlag[] {
  return (Object.keys(qualityFlags) as QualityFlag[]).filter(name => (flags & qualityFlags[name]) !== 0)
}
