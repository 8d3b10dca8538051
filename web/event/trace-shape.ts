import { anything, flag, list, number, object, orNull, type Read, text } from '../ask/shapes.ts'

/* What this page reads of `/events/{id}/trace`; docs/trace.md says what each member is. */

const signature = orNull(object({ signer: text, keyID: text, signature: text }))

const result = object({
  txid: text,
  status: text,
  leaf: orNull(text),
  agrees: flag,
  isLate: flag,
  outputHash: orNull(text),
  arrivedMs: number,
  processingMs: orNull(number),
  signature,
})

const seat = object({
  jobId: text,
  agentId: text,
  operator: text,
  state: text,
  conduct: orNull(text),
  offeredMs: orNull(number),
  results: list(result),
})

const line = orNull(object({ text, leafHash: text }))

const stageMembers = {
  stage: text,
  roundId: text,
  status: text,
  leaf: orNull(text),
  outputHash: orNull(text),
  decidedMs: orNull(number),
  job: object({ txid: text, vout: number, madeMs: number, deadlineMs: number, rebuild: number }),
  quorum: object({
    level: text,
    wanted: number,
    of: number,
    agreeing: number,
    operators: list(text),
    independence: text,
  }),
  seats: list(seat),
}

/** A finding of a rule: `<code>:<field>:<detail>`. */
const judged = { verdict: orNull(text), issues: orNull(list(anything)), line }

export const traceShape = object({
  eventId: text,
  state: text,
  packetState: text,
  orchestration: orNull(text),
  streamId: text,
  log: orNull(text),
  network: orNull(text),
  level: orNull(text),
  partition: number,
  seq: number,
  policyDigest: orNull(text),
  raw: object({
    sourceId: text,
    type: text,
    externalId: orNull(text),
    authenticated: orNull(text),
    connectorId: orNull(text),
    eventTimeMs: number,
    ingestTimeMs: number,
    qualityFlagNames: list(text),
    payloadHash: orNull(text),
    line,
  }),
  sealed: orNull(
    object({
      packetId: text,
      packetNo: number,
      index: number,
      count: number,
      root: text,
      rawHash: text,
      because: text,
      sealedMs: number,
    }),
  ),
  normalized: orNull(
    object({
      ...stageMembers,
      ...judged,
      transformations: orNull(list(anything)),
    }),
  ),
  validated: orNull(object({ ...stageMembers, ...judged, rules: orNull(list(anything)) })),
  certified: orNull(
    object({
      ...stageMembers,
      versionId: orNull(text),
      contentHash: orNull(text),
      certifiedMs: orNull(number),
      manifest: anything,
      line,
    }),
  ),
  anchored: orNull(
    object({
      certificate: orNull(
        object({ txid: text, vout: number, state: text, writtenMs: number, anchoredMs: orNull(number) }),
      ),
    }),
  ),
  proven: orNull(
    object({
      txid: text,
      blockHeight: number,
      blockHash: text,
      provenMs: number,
      confirmations: orNull(number),
    }),
  ),
  rounds: list(object({ roundId: text, attempt: number, state: text, leftWhy: orNull(text) })),
  conflicts: list(anything),
})

export type Trace = Read<typeof traceShape>
export type TracedStage = Pick<NonNullable<Trace['normalized']>, keyof typeof stageMembers>
export type Seat = TracedStage['seats'][number]

export const eventShape = object({
  raw: anything,
  normalized: anything,
  lastError: orNull(text),
  type: text,
  sourceId: text,
  streamId: text,
  state: text,
})
