import type { Json, JsonObject } from '../canonical-json.ts'

/**
 * Payloads with a meaning fixed in code: `payloadType` names one, and its schema (JSON Schema 2020-12) is applied
 * to the normalised payload. A name never changes its schema; what needs another shape gets the next version.
 */
export type PayloadType = {
  readonly version: number
  readonly description: string
  readonly schema: JsonObject
  /** Valid by the schema, and the first thing that a publisher copies. */
  readonly example: Json
}

const name = { type: 'string', minLength: 1, maxLength: 256 }
const uri = { type: 'string', minLength: 1, maxLength: 2048 }
const label = { type: 'string', minLength: 1, maxLength: 64 }
const text = { type: 'string', maxLength: 16_384 }
const timeMs = { type: 'integer', minimum: 0 }
const finite = { type: 'number' }
const notNegative = { type: 'number', minimum: 0 }
const count = { type: 'integer', minimum: 0 }
const share = { type: 'number', minimum: 0, maximum: 1 }
const percent = { type: 'number', minimum: 0, maximum: 100 }
/** Decimal odds pay the stake back, so they are never below 1. */
const decimalOdds = { type: 'number', minimum: 1 }
/** Amounts of a chain's smallest unit pass 2^53: digits, not numbers. */
const digits = { type: 'string', maxLength: 78, pattern: '^[0-9]+$' }
const attributes = { type: 'object', maxProperties: 256 }

export const payloadTypes = {
  ODDS_SNAPSHOT_V1: {
    version: 1,
    description: 'All outcomes of one market with their decimal odds, as one book showed them at one time.',
    schema: closed(
      {
        market: name,
        book: name,
        outcomes: {
          type: 'array',
          minItems: 2,
          maxItems: 512,
          items: closed({ outcome: name, odds: decimalOdds }, { probability: share, stakeMax: notNegative }),
        },
      },
      { fixture: name, currency: label, suspended: { type: 'boolean' } },
    ),
    example: {
      market: 'match-winner',
      book: 'north',
      fixture: 'lions-v-bears',
      outcomes: [
        { outcome: 'lions', odds: 1.8 },
        { outcome: 'bears', odds: 2.1 },
      ],
    },
  },
  ODDS_TICK_V1: {
    version: 1,
    description: 'A change of the decimal odds of one outcome.',
    schema: closed(
      { market: name, book: name, outcome: name, odds: decimalOdds },
      { fixture: name, oddsBefore: decimalOdds, suspended: { type: 'boolean' } },
    ),
    example: { market: 'match-winner', book: 'north', outcome: 'lions', odds: 1.85, oddsBefore: 1.8 },
  },
  ELECTION_POLL_V1: {
    version: 1,
    description: 'One poll: who asked how many, when, and the share each answer got, in percent.',
    schema: closed(
      {
        pollster: name,
        contest: name,
        sampleSize: { type: 'integer', minimum: 1 },
        fieldEndMs: timeMs,
        results: {
          type: 'array',
          minItems: 1,
          maxItems: 256,
          items: closed({ choice: name, percent }, {}),
        },
      },
      { fieldStartMs: timeMs, marginOfError: percent, population: name, method: name },
    ),
    example: {
      pollster: 'Plain Polls',
      contest: 'mayor-2026',
      sampleSize: 1012,
      fieldEndMs: 1_767_225_600_000,
      marginOfError: 3.1,
      results: [
        { choice: 'Ahmed', percent: 47.5 },
        { choice: 'Bruun', percent: 44 },
      ],
    },
  },
  MACRO_RELEASE_V1: {
    version: 1,
    description: 'A published figure of an economy, for the period that it describes.',
    schema: closed(
      { indicator: name, region: label, period: label, value: finite, unit: label },
      {
        releasedMs: timeMs,
        consensus: finite,
        previous: finite,
        revision: count,
        seasonallyAdjusted: { type: 'boolean' },
      },
    ),
    example: {
      indicator: 'consumer-prices',
      region: 'NO',
      period: '2026-01',
      value: 2.4,
      unit: 'percent-yoy',
      consensus: 2.3,
    },
  },
  ONCHAIN_PRICE_TICK_V1: {
    version: 1,
    description: 'A price that an exchange or oracle on a chain gave, and where on the chain it stands.',
    schema: closed(
      {
        chain: label,
        venue: name,
        base: label,
        quote: label,
        price: { type: 'number', exclusiveMinimum: 0 },
      },
      { height: count, txid: name, volume: notNegative, confidence: notNegative },
    ),
    example: { chain: 'bsv', venue: 'pool-7', base: 'BSV', quote: 'USD', price: 41.37, height: 880_001 },
  },
  ONCHAIN_ACTIVITY_V1: {
    version: 1,
    description: 'Something that happened on a chain: a transfer, a call, a vote.',
    schema: closed(
      { chain: label, activity: label, txid: name },
      {
        height: count,
        index: count,
        from: name,
        to: name,
        asset: name,
        amount: digits,
        status: { enum: ['seen', 'mined', 'dropped'] },
        details: attributes,
      },
    ),
    example: {
      chain: 'bsv',
      activity: 'transfer',
      txid: '5d0c3e6a9b1f47d28c6e0a4b7f93d1528e6c0b7a4f19d3825c6e0a1b7f43d958',
      asset: 'satoshi',
      amount: '21000000',
      status: 'mined',
      height: 880_001,
    },
  },
  NEWS_SIGNAL_V1: {
    version: 1,
    description: 'A piece of news with what was made of it: about whom, how good, how important.',
    schema: closed(
      { headline: { type: 'string', minLength: 1, maxLength: 1024 }, publisher: name },
      {
        url: uri,
        language: label,
        publishedMs: timeMs,
        topics: { type: 'array', maxItems: 64, items: label },
        entities: { type: 'array', maxItems: 256, items: name },
        sentiment: { type: 'number', minimum: -1, maximum: 1 },
        importance: share,
      },
    ),
    example: {
      headline: 'Harbour reopens after storm',
      publisher: 'Coast Daily',
      url: 'https://coast.example/harbour',
      topics: ['shipping'],
      sentiment: 0.4,
    },
  },
  SENSOR_READING_V1: {
    version: 1,
    description: 'One value that one sensor measured, with its unit.',
    schema: closed(
      { sensorId: name, value: finite, unit: label },
      {
        quantity: label,
        accuracy: notNegative,
        batteryPercent: percent,
        location: closed(
          {
            lat: { type: 'number', minimum: -90, maximum: 90 },
            lng: { type: 'number', minimum: -180, maximum: 180 },
          },
          { altitudeMetres: finite },
        ),
      },
    ),
    example: {
      sensorId: 'temp_001',
      value: 23.5,
      unit: 'celsius',
      location: { lat: 40.7128, lng: -74.006 },
    },
  },
  LOG_RECORD_V1: {
    version: 1,
    description: 'One line of a program’s log, with its severity and fields.',
    schema: closed(
      { severity: { enum: ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] }, message: text },
      { logger: name, host: name, traceId: name, spanId: name, error: text, attributes },
    ),
    example: {
      severity: 'warn',
      message: 'disk 91 % full',
      host: 'db-2',
      attributes: { mount: '/var', percent: 91 },
    },
  },
  SYSTEM_EVENT_V1: {
    version: 1,
    description: 'Something a system did or that was done to it: by whom, to what, and how it ended.',
    schema: closed(
      { action: name, subject: name },
      {
        actor: name,
        outcome: { enum: ['success', 'failure', 'unknown'] },
        reason: text,
        details: attributes,
      },
    ),
    example: {
      action: 'entity.updated',
      subject: 'order/4711',
      actor: 'billing',
      outcome: 'success',
      details: { field: 'status', to: 'paid' },
    },
  },
  GENERIC_JSON_V1: {
    version: 1,
    description: 'Any JSON: nothing is promised about its shape.',
    schema: {},
    example: { ts: 1, val: 42, sensor: 'a' },
  },
} as const satisfies Record<string, PayloadType>

export type PayloadTypeName = keyof typeof payloadTypes

/** What an event is taken for where nobody says more. */
export const PAYLOAD_TYPE_DEFAULT: PayloadTypeName = 'GENERIC_JSON_V1'

/** Closed, so that a misspelt optional member is a finding and not a value that silently means nothing. */
function closed(mustHave: JsonObject, mayHave: JsonObject): JsonObject {
  return {
    type: 'object',
    required: Object.keys(mustHave),
    properties: { ...mustHave, ...mayHave },
    additionalProperties: false,
  }
}
