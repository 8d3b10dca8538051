import type { ExportSource } from '../../contract/audit/sequence.ts'
import { inTransaction } from '../postgres/sql.ts'
import type { ExportDeps, ExportReader } from './export-reader.ts'
import { readExportedHeaders, readOpening } from './read-opening.ts'
import { readPackets } from './read-packets.ts'

/**
 * A log as it is stored, also where that is wrong: nothing is left out because it does not fit. The opening is of one moment; packets
 * that it counts do not change after it, but for what becomes of them.
 */
export function openExport(deps: ExportDeps, reader: ExportReader): ExportSource {
  const { pool } = deps
  return {
    opening: streamId =>
      inTransaction(pool, db => readOpening(db, reader, streamId), {
        begin: 'begin isolation level repeatable read read only',
      }),
    headers: (from, count) => readExportedHeaders(pool, from, count),
    packets: range => readPackets(deps, reader, range),
  }
}
