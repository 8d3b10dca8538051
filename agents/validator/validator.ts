import { accepted, refused } from '../../src/core/fault.ts'
import { outcomeLeaf } from '../../src/core/work/stage-output.ts'
import { validatePacket } from '../../src/core/work/validate-packet.ts'
import type { AnswerPacket } from '../kit/packet-task.ts'

/** Holds what was normalized against the policy's rules and what they remember, and fuses observations of one thing. */
export const validator: AnswerPacket = ({ header, packetId, policySet, place, state, agreed }) => {
  if (agreed === undefined) return refused('packet-invalid', 'nothing was agreed on to be validated')
  const { parent } = place
  const validated = validatePacket(header, agreed.output, policySet, { parent, state })
  if (!validated.ok) return validated
  const { bytes, outputHash, stateBytes, stateOut } = validated.value
  return accepted({ leaf: outcomeLeaf(packetId, outputHash, stateOut), output: bytes, state: stateBytes })
}
