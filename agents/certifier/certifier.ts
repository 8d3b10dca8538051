import { utf8 } from '../../src/core/bytes.ts'
import { accepted, type Outcome, refused } from '../../src/core/fault.ts'
import { carriesState } from '../../src/core/rounds/template.ts'
import { certifyPacket } from '../../src/core/work/certify-packet.ts'
import { normalizePacket } from '../../src/core/work/normalize-packet.ts'
import { outcomeLeaf } from '../../src/core/work/stage-output.ts'
import { validatePacket } from '../../src/core/work/validate-packet.ts'
import type { AgreedOutcome, AnswerPacket, PacketTask } from '../kit/packet-task.ts'

/**
 * Answers with the manifest of the packet and of the output that was agreed on: root, hash, policy and level are held
 * against the header once more. At `critical` it takes nobody's word, and does the work of both stages again.
 */
export const certifier: AnswerPacket = task => {
  const { header, lines, policySet, place, agreed, level } = task
  if (agreed === undefined) return refused('packet-invalid', 'nothing was agreed on to be certified')
  if (header.level !== level)
    return refused('packet-invalid', `the packet is of level ${header.level}, and the job asks for ${level}`)
  const checked = carriesState('certify', level) ? doneAgain(task, agreed) : accepted(agreed)
  if (!checked.ok) return checked
  const { output, stateOut } = checked.value
  const certified = certifyPacket(header, lines, policySet, place, { bytes: output, stateOut })
  if (!certified.ok) return certified
  const { manifestJson, versionId } = certified.value
  return accepted({ leaf: versionId, output: utf8(manifestJson), state: new Uint8Array(0) })
}

function doneAgain(task: PacketTask, agreed: AgreedOutcome): Outcome<AgreedOutcome> {
  const { header, packetId, lines, policySet, place, state, normalizeLeaf } = task
  const normalized = normalizePacket(header, lines, policySet)
  if (!normalized.ok) return normalized
  if (outcomeLeaf(packetId, normalized.value.outputHash, normalized.value.stateOut) !== normalizeLeaf)
    return refused('packet-invalid', 'normalized again, the packet gives another outcome than was agreed on')
  const { parent } = place
  const validated = validatePacket(header, normalized.value.bytes, policySet, { parent, state })
  if (!validated.ok) return validated
  return outcomeLeaf(packetId, validated.value.outputHash, validated.value.stateOut) === agreed.leaf
    ? accepted(agreed)
    : refused('packet-invalid', 'validated again, the packet gives another outcome than was agreed on')
}
