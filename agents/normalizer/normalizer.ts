import { accepted } from '../../src/core/fault.ts'
import { normalizePacket } from '../../src/core/work/normalize-packet.ts'
import { outcomeLeaf } from '../../src/core/work/stage-output.ts'
import type { AnswerPacket } from '../kit/packet-task.ts'

/** Maps and coerces each event by the packet's policy. */
export const normalizer: AnswerPacket = ({ header, packetId, lines, policySet }) => {
  const normalized = normalizePacket(header, lines, policySet)
  if (!normalized.ok) return normalized
  const { bytes, outputHash, stateBytes, stateOut } = normalized.value
  return accepted({ leaf: outcomeLeaf(packetId, outputHash, stateOut), output: bytes, state: stateBytes })
}
