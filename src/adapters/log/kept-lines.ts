import { orThrow } from '../../core/fault.ts'
import { checkPacketBytes } from '../../core/log/packet.ts'
import { type PacketHeader, readPacketHeader } from '../../core/log/packet-header.ts'
import type { Queryable } from '../postgres/sql.ts'

/** Lines that segments have given up, from the payload of the packet that holds them. */
export type KeptLines = (partitionId: number, firstSeq: number, count: number) => Promise<Uint8Array>

/** The payload with this hash; undefined where it is not there any more. */
export type ReadPayload = (rawHash: string) => Promise<Uint8Array | undefined>

export function openKeptLines(db: Queryable, readPayload: ReadPayload): KeptLines {
  // Whoever reads segments reads those of one packet after each other.
  let last:
    | { readonly partitionId: number; readonly header: PacketHeader; readonly bytes: Uint8Array }
    | undefined
  return async (partitionId, firstSeq, count) => {
    const isThere =
      last?.partitionId === partitionId && last.header.firstSeq <= firstSeq && firstSeq < endOf(last.header)
    if (last === undefined || !isThere) {
      const header = await readHeaderAt(db, partitionId, firstSeq)
      last = { partitionId, header, bytes: await readPacketBytes(header, readPayload) }
    }
    return cut(last.bytes, firstSeq - last.header.firstSeq, count)
  }
}

/** The bytes of a packet, which are hashed before anybody gets to see them. */
export async function readPacketBytes(header: PacketHeader, readPayload: ReadPayload): Promise<Uint8Array> {
  const { streamId, partition, packetNo, rawHash } = header
  const bytes = header.count === 0 ? new Uint8Array() : await readPayload(rawHash)
  if (bytes === undefined)
    throw new Error(
      `The payload ${rawHash} of packet ${packetNo} of partition ${partition} of ${streamId} is missing. Restore the stored content.`,
    )
  orThrow(checkPacketBytes(header, bytes))
  return bytes
}

function endOf({ firstSeq, count }: PacketHeader): number {
  return firstSeq + count
}

async function readHeaderAt(db: Queryable, partitionId: number, seq: number): Promise<PacketHeader> {
  const { rows } = await db.query<{ header: string }>({
    name: 'header-at',
    text: `select header from packets where partition_id = $1 and packet_no in (
      select packet_no from seal_marks where partition_id = $1 and up_to_seq > $2 order by packet_no limit 1)`,
    values: [partitionId, seq],
  })
  if (rows[0] === undefined)
    throw new Error(
      `Event ${seq} of partition ${partitionId} has neither its line nor a packet that holds it.`,
    )
  return orThrow(readPacketHeader(JSON.parse(rows[0].header)))
}

const NEWLINE = 0x0a

function cut(bytes: Uint8Array, skip: number, count: number): Uint8Array {
  let at = 0
  const past = (lines: number) => {
    for (let i = 0; i < lines; i++) at = bytes.indexOf(NEWLINE, at) + 1
    return at
  }
  return bytes.subarray(past(skip), past(count))
}
