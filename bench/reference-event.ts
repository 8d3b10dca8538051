import { sha256Hex } from '#sha256'

/**
 * The event that every figure of this project speaks of: a sensor's reading, about 393 bytes as posted. The
 * index is the only seed, so that runs on two machines, or two years apart, measure the same bytes.
 */
export function referenceEvent(index: number) {
  return {
    tenant_id: 'acme-energy',
    source_id: `sensor-${index % 500}`,
    type: 'telemetry.reading',
    occurred_at: new Date(1_763_600_000_000 + index * 7).toISOString(),
    seq: index,
    schema: 'sensor/v1',
    payload: {
      temperature: 20 + Math.sin(index) * 5,
      humidity: 0.41 + ((index * 7919) % 100) / 1000,
      pressure_hpa: 1013.25 + (index % 10),
      battery_mv: 3300 + (index % 400),
      status: 'ok',
      location: { lat: 51.5072 + index * 1e-6, lon: -0.1276 - index * 1e-6 },
      tags: ['floor-3', 'hvac', `zone-${index % 7}`],
    },
    nonce: sha256Hex(`reference event ${index}`).slice(0, 24),
  }
}

export type ReferenceEvent = ReturnType<typeof referenceEvent>
