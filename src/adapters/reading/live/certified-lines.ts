import type { Json } from '../../../core/canonical-json.ts'
import type { LineConstants } from '../../../core/event/line.ts'
import type { LiveEvent } from '../../../serve/live/piece.ts'

/**
 * The lines of a certified output, which a quorum has agreed on: each answers the packet's event in the same place, and
 * behind them are fused records.
 */
export function certifiedLines(
  output: Uint8Array,
  {
    packetNo,
    count,
    constants,
  }: { readonly packetNo: number; readonly count: number; readonly constants: LineConstants },
): LiveEvent[] {
  const lines = Buffer.from(output.buffer, output.byteOffset, output.length).toString('utf8').split('\n')
  // Of a hash that a quorum has agreed on this cannot be; of an object that is another one it can.
  if (lines.pop() !== '' || lines.length < count)
    throw new Error(`the output of packet ${packetNo} has ${lines.length} whole lines for ${count} events`)
  return lines.map((line, i) => {
    const said: OutputLine = JSON.parse(line)
    const kind = i >= count ? 'fused' : said.quarantined === true ? 'set-aside' : 'event'
    return {
      kind,
      eventId: said.eventId ?? '',
      sourceId: said.sourceId ?? constants.sourceId ?? '',
      type: said.type ?? constants.type ?? '',
      eventTimeMs: said.eventTimeMs ?? null,
      ingestTimeMs: said.ingestTimeMs ?? null,
      qualityFlags: said.qualityFlags ?? 0,
      issues: said.issues ?? [],
      position: i,
      next: { at: packetNo, line: i + 1 },
      partitionKey: () => constants.partitionKey ?? said.partitionKey ?? '',
      payload: () => said.payload ?? null,
      record: () => JSON.parse(line),
    }
  })
}

/** What is read of a line here; a fused record has none of it. */
type OutputLine = {
  readonly eventId?: string
  readonly sourceId?: string
  readonly type?: string
  readonly eventTimeMs?: number
  readonly ingestTimeMs?: number
  readonly qualityFlags?: number
  readonly issues?: readonly string[]
  readonly quarantined?: boolean
  readonly partitionKey?: string
  readonly payload?: Json
}
