import { sha256Hex } from '#sha256'
import { fromUtf8 } from '../../core/bytes.ts'
import { canonicalJson } from '../../core/canonical-json.ts'
import { orThrow } from '../../core/fault.ts'
import type { PacketHeader } from '../../core/log/packet-header.ts'
import { readOutputLine } from '../../core/work/stage-output.ts'
import type { OutsideQuestion } from './ports.ts'

/** What is asked about each event that a packet's validation lets go on; those that it set aside are nobody's business. */
export function eventsAsked(header: PacketHeader, validated: Uint8Array): Map<string, () => OutsideQuestion> {
  const text = fromUtf8(validated)
  if (text === undefined) throw new Error('the validated output is not UTF-8')
  const asked = new Map<string, () => OutsideQuestion>()
  // Records of windows come after the events.
  for (const line of text.split('\n', header.count)) {
    const read = orThrow(readOutputLine(line, header.constants))
    if (read.kind === 'quarantined') continue
    const { eventId, sourceId, payload } = read.event
    asked.set(eventId, () => ({
      ...{ eventId, sourceId, normalized: payload },
      contentHash: sha256Hex(canonicalJson(payload)),
    }))
  }
  return asked
}
