import type { Request } from 'express'
import type { Pool } from 'pg'
import { readProofParts } from '../adapters/certificates/read-proof-parts.ts'
import { openRecentTransactions } from '../adapters/chain/recent-transactions.ts'
import { inTransaction } from '../adapters/postgres/sql.ts'
import type { FindEvent } from '../adapters/projections/find-event.ts'
import { findEventPlaces } from '../adapters/reading/find-event-places.ts'
import { openFindPacketStream } from '../adapters/reading/find-packet.ts'
import { openLineTrees } from '../adapters/reading/line-trees.ts'
import type { ContentStore } from '../adapters/uhrp/content-store.ts'
import type { NodeAppParts } from '../http/app.ts'
import { clientAddress, networksOf } from '../http/ingest/client-address.ts'
import { limitAtOnce } from '../http/limit-at-once.ts'
import { PROOFS_BYTES_MAX, proofRoutes } from '../http/read/proof-routes.ts'
import type { Reading } from '../http/read/reading.ts'
import { tellBusyProblem } from '../http/send-problem.ts'
import type { Settings } from '../runtime/settings.ts'
import { openProofs } from '../serve/proofs.ts'

export type NodeProofsDeps = {
  /** For what is asked by strangers. */
  readonly pool: Pool
  readonly content: Pick<ContentStore, 'open'>
  readonly findEvent: FindEvent
  readonly reading: Reading
  /** Of an answer about several events. */
  readonly bytesMax?: number
  onFailure(error: unknown, request: Request): void
}

/** Whoever comes beyond them is told to come again. */
const PROOFS_AT_ONCE_MAX = 32
/** Of them, for those at one network. */
const PROOFS_OF_NETWORK_MAX = 8
/** So long a client may take to read its answer. */
const ANSWER_MS_MAX = 60_000

/** Proof files, made when they are asked for. */
export function openNodeProofs(
  settings: Pick<Settings, 'TRUSTED_PROXY_CIDRS'>,
  { pool, content, findEvent, reading, bytesMax = PROOFS_BYTES_MAX, onFailure }: NodeProofsDeps,
): NodeAppParts['routes'] {
  const isProxy = networksOf(settings.TRUSTED_PROXY_CIDRS)
  const places = limitAtOnce(PROOFS_AT_ONCE_MAX, ANSWER_MS_MAX, {
    share: { max: PROOFS_OF_NETWORK_MAX, addressOf: request => clientAddress(request, isProxy) },
    tellBusy: tellBusyProblem,
  })
  const bounded: Reading = handle =>
    reading((request, response, reader) => places(response, async () => handle(request, response, reader)))
  const recent = openRecentTransactions()
  return [
    proofRoutes({
      ...{ findEvent, bytesMax, onFailure },
      reading: bounded,
      findPacketStream: openFindPacketStream(pool),
      findPlaces: (reader, eventIds) => findEventPlaces(pool, reader, eventIds),
      proofs: openProofs({
        readParts: packetId =>
          inTransaction(pool, db => readProofParts(db, packetId, recent), {
            begin: 'begin isolation level repeatable read read only',
          }),
        readTree: openLineTrees({ content }),
      }),
    }),
  ]
}
