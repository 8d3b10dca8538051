import type { Envelope } from '../../../src/core/event/envelope.ts'

export const sampleEnvelope: Envelope = {
  schemaVersion: 1,
  eventId: 'ab'.repeat(32),
  sourceId: 'farm-001',
  sourceVersion: '1',
  connectorId: 'http',
  connectorVersion: '1',
  streamId: 'sensors.temperature',
  partitionKey: 'sensors.temperature',
  domain: 'iot',
  type: 'sensor_reading',
  payloadType: 'SENSOR_READING_V1',
  dataVersion: '1',
  eventTimeMs: 1_705_314_600_000,
  ingestTimeMs: 1_705_314_600_120,
  payload: { sensorId: 'temp_001', unit: 'celsius', value: 23.5 },
  qualityFlags: 0,
}
