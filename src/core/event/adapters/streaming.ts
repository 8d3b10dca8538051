import type { Json } from '../../canonical-json.ts'
import { anything, type Check, closedObject, closedReader, listOf } from '../../closed-object.ts'
import { accepted, type Outcome } from '../../fault.ts'
import type { Classification } from '../envelope.ts'
import { readEventTime } from '../event-time.ts'
import { envelopeChecks, TRANSFORMATIONS_MAX } from '../read-envelope.ts'
import { readNativeId } from '../read-identity.ts'
import type { CarriedMembers, Submission } from '../submission.ts'

/** The event of a streaming ingest service, as it stands on a broker's topic. */
type StreamingItem = {
  readonly id: Json
  readonly type: string
  readonly source: string
  readonly timestamp: Json
  readonly data: Json
  readonly metadata?: Metadata
  readonly provenance?: Provenance
}

type Metadata = {
  readonly version?: string
  readonly correlationId?: string
  readonly causationId?: string
  readonly userId?: string
  readonly tenantId?: string
}

type Provenance = {
  readonly hash?: string
  readonly signature?: string
  readonly policyTags?: readonly string[]
  readonly classification?: Classification
  readonly source?: string
  readonly ingestionTime?: number
  readonly transformations?: readonly OriginTransformation[]
}

type OriginTransformation = {
  readonly operation: string
  readonly timestamp: number
  readonly userId?: string
}

/** What the origin claims of itself. How it hashed and signed is its own matter, so none of it is checked. */
const claim: Check = envelopeChecks.sourceUri

const readItem = closedReader<StreamingItem>(
  'streaming event',
  'event-unreadable',
  closedObject<StreamingItem>(
    {
      id: anything,
      type: envelopeChecks.type,
      source: envelopeChecks.sourceId,
      timestamp: anything,
      data: anything,
    },
    {
      metadata: closedObject<Metadata>(
        {},
        {
          version: envelopeChecks.dataVersion,
          correlationId: envelopeChecks.correlationId,
          causationId: envelopeChecks.causationId,
          userId: envelopeChecks.userId,
          tenantId: envelopeChecks.tenantId,
        },
      ),
      provenance: closedObject<Provenance>(
        {},
        {
          hash: claim,
          signature: claim,
          policyTags: envelopeChecks.policyTags,
          classification: envelopeChecks.classification,
          source: envelopeChecks.originSource,
          ingestionTime: envelopeChecks.eventTimeMs,
          transformations: listOf(
            closedObject<OriginTransformation>(
              { operation: envelopeChecks.type, timestamp: envelopeChecks.eventTimeMs },
              { userId: envelopeChecks.userId },
            ),
            TRANSFORMATIONS_MAX,
          ),
        },
      ),
    },
  ),
)

export function fromStreaming(item: Json): Outcome<Submission> {
  const read = readItem(item)
  if (!read.ok) return read
  const { id, type, source, timestamp, data, metadata = {}, provenance = {} } = read.value
  const nativeId = readNativeId(id, '/id')
  if (!nativeId.ok) return nativeId
  const eventTime = readEventTime(timestamp, '/timestamp')
  if (!eventTime.ok) return eventTime
  return accepted({
    payload: data,
    nativeId: nativeId.value,
    eventTime: eventTime.value,
    type,
    namedSource: source,
    carried: { ...fromMetadata(metadata), ...fromProvenance(provenance) },
  })
}

function fromMetadata({ version, ...same }: Metadata): CarriedMembers {
  return version === undefined ? same : { ...same, dataVersion: version }
}

function fromProvenance(provenance: Provenance): CarriedMembers {
  const { hash, signature, ingestionTime, source, transformations, ...same } = provenance
  const claims = {
    ...(hash === undefined ? {} : { hash }),
    ...(signature === undefined ? {} : { signature }),
    ...(ingestionTime === undefined ? {} : { ingestionTimeMs: ingestionTime }),
  }
  return {
    ...same,
    ...(Object.keys(claims).length === 0 ? {} : { originSignature: claims }),
    ...(source === undefined ? {} : { originSource: source }),
    ...(transformations === undefined
      ? {}
      : {
          transformations: transformations.map(({ timestamp, ...step }) => ({
            ...step,
            timestampMs: timestamp,
          })),
        }),
  }
}
