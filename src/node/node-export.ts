import type { Request } from 'express'
import type { Pool } from 'pg'
import { openExport } from '../adapters/exporting/export-database.ts'
import { openReadObject } from '../adapters/exporting/read-object.ts'
import { openMayReadStream } from '../adapters/reading/may-read-stream.ts'
import type { NodeAppParts } from '../http/app.ts'
import { clientAddress, networksOf } from '../http/ingest/client-address.ts'
import { limitAtOnce } from '../http/limit-at-once.ts'
import { EXPORT_ANSWER_BYTES, exportRoutes } from '../http/read/export-routes.ts'
import type { Reading } from '../http/read/reading.ts'
import { tellBusyProblem } from '../http/send-problem.ts'
import type { Settings } from '../runtime/settings.ts'
import { storeFolder } from './node-storage.ts'

export type NodeExportDeps = {
  /** For what is asked by strangers. */
  readonly pool: Pool
  readonly reading: Reading
  /** Of an answer about packets. */
  readonly bytesMax?: number
  onFailure(error: unknown, request: Request): void
}

/** Each holds its answer in memory, up to one of the largest packets more than it may have. Whoever comes beyond is told to come again. */
const EXPORTS_AT_ONCE_MAX = 4
/** Of them, for those at one network. */
const EXPORTS_OF_NETWORK_MAX = 2
/** So long a client may take to read its answer. */
const ANSWER_MS_MAX = 120_000

/** The log as those may have it who may read its streams, for `assay verify --all` and `assay export`. */
export function openNodeExport(
  settings: Pick<Settings, 'TRUSTED_PROXY_CIDRS' | 'UHRP_DIR' | 'ASSAY_DATA_DIR'>,
  { pool, reading, bytesMax = EXPORT_ANSWER_BYTES, onFailure }: NodeExportDeps,
): NodeAppParts['routes'] {
  const isProxy = networksOf(settings.TRUSTED_PROXY_CIDRS)
  const places = limitAtOnce(EXPORTS_AT_ONCE_MAX, ANSWER_MS_MAX, {
    share: { max: EXPORTS_OF_NETWORK_MAX, addressOf: request => clientAddress(request, isProxy) },
    tellBusy: tellBusyProblem,
  })
  const bounded: Reading = handle =>
    reading((request, response, reader) => places(response, async () => handle(request, response, reader)))
  const readObject = openReadObject(pool, storeFolder(settings), Date.now)
  return [
    exportRoutes({
      reading: bounded,
      exportFor: reader => openExport({ pool, readObject }, reader),
      mayRead: openMayReadStream(pool),
      ...{ bytesMax, onFailure },
    }),
  ]
}
