import { type Request, type Response, Router } from 'express'
import * as z from 'zod'
import { TooManyPartitions } from '../../adapters/exporting/read-opening.ts'
import { EXPORT_HEADERS_MAX, writeRecord } from '../../contract/audit/records.ts'
import type { ExportSource, PacketRange } from '../../contract/audit/sequence.ts'
import { concatAll } from '../../core/bytes.ts'
import { PARTITIONS_MAX } from '../../core/log/packet-header.ts'
import type { Reader } from '../../core/registry/may-read.ts'
import { overlayFailures } from '../overlay-failures.ts'
import type { Problem } from '../problem.ts'
import { sendProblem } from '../send-problem.ts'
import { bad, digits, givenName, readQuery } from './query-members.ts'
import type { Reading } from './reading.ts'

export type ExportRouteDeps = {
  /** What this reader may have of the log. */
  exportFor(reader: Reader): ExportSource
  /** Whether the reader may learn anything of the stream. */
  mayRead(reader: Reader, streamId: string): Promise<boolean>
  readonly reading: Reading
  /** Of one answer about packets; one packet is given in any case. */
  readonly bytesMax: number
  /** Told of what is nobody's mistake but ours. */
  onFailure(error: unknown, request: Request): void
}

/** An answer about packets ends behind the one that makes it longer. */
export const EXPORT_ANSWER_BYTES = 8 * 1024 * 1024

/** A whole log, piece by piece, for whoever checks all of it: records as `assay export` writes them, one after the other. */
export function exportRoutes({ exportFor, mayRead, reading, bytesMax, onFailure }: ExportRouteDeps): Router {
  const routes = Router({ caseSensitive: true })
  routes.get(
    '/export',
    reading(async (request, response, reader) => {
      const asked = readQuery(openingQuery, request)
      if ('code' in asked) return sendProblem(response, asked)
      const { stream = null } = asked.read
      if (stream !== null && !(await mayRead(reader, stream))) return sendProblem(response, noStream)
      try {
        send(response, writeRecord(await exportFor(reader).opening(stream)))
      } catch (error) {
        if (!(error instanceof TooManyPartitions)) throw error
        sendProblem(response, bad(error.message, 'name one stream in the query'))
      }
    }),
  )
  routes.get(
    '/export/headers',
    reading(async (request, response, reader) => {
      const asked = readQuery(headersQuery, request)
      if ('code' in asked) return sendProblem(response, asked)
      const { from, count } = asked.read
      send(response, await exportFor(reader).headers(from, count), 'application/octet-stream')
    }),
  )
  routes.get(
    '/export/packets',
    reading(async (request, response, reader) => {
      const asked = readQuery(packetsQuery, request)
      if ('code' in asked) return sendProblem(response, asked)
      const { stream: streamId, ...range } = asked.read
      if (!(await mayRead(reader, streamId))) return sendProblem(response, noStream)
      send(response, await packetsOf(exportFor(reader), { streamId, ...range }, bytesMax))
    }),
  )
  routes.use(overlayFailures(onFailure))
  return routes
}

const packetNo = digits(Number.MAX_SAFE_INTEGER)
const openingQuery = z.strictObject({ stream: givenName.optional() })
const headersQuery = z.strictObject({
  from: digits(0xffff_ffff),
  count: digits(EXPORT_HEADERS_MAX).pipe(z.int().min(1)),
})
const packetsQuery = z.strictObject({
  stream: givenName,
  partition: digits(PARTITIONS_MAX - 1),
  from: packetNo,
  to: packetNo,
})

async function packetsOf(source: ExportSource, range: PacketRange, bytesMax: number): Promise<Uint8Array> {
  const bodies: Uint8Array[] = []
  let bytes = 0
  for await (const record of source.packets(range)) {
    const body = writeRecord(record)
    bodies.push(body)
    bytes += body.length
    if (record.kind === 'packet' && bytes >= bytesMax) break
  }
  return concatAll(bodies)
}

function send(response: Response, bytes: Uint8Array, type = 'application/cbor-seq'): void {
  response.type(type).send(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length))
}

const noStream: Problem = {
  code: 'not-found',
  detail: 'there is no stream of this name that you may read',
  hint: 'GET /export without a name tells of all that you may read',
}
