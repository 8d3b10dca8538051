/*
 * An agent of your own, whole. It answers jobs of the stage `normalize`: what it is given is one packet of events and the
 * policy of its publisher, and what it gives back is the bytes that it would put its operator's name to. Nobody is
 * asked whether it may: a node that lists its operator gives it a seat, and its answer counts where it is the one that
 * others arrive at.
 *
 * The kit does the rest: it checks each job and everything in it, fetches by hash, stores, signs, answers, advertises.
 * It works for the logs in AGENT_LOGS alone, and takes its other settings from the environment (docs/agents.md).
 */
import { type AnswerPacket, accepted, normalizePacket, outcomeLeaf, refused, runAgent } from 'assay/agent-kit'

const answer: AnswerPacket = ({ header, packetId, lines, policySet }) => {
  // What this operator wants to be sure of first. A fault is no answer: for this packet, and for those behind it.
  if (header.network === 'mainnet' && header.sources.some(source => source.authenticated === 'none'))
    return refused('packet-invalid', 'a source of this packet has not proven who it is')

  // Here is the place for another implementation: whoever arrives at the same bytes has the same leaf.
  const normalized = normalizePacket(header, lines, policySet)
  if (!normalized.ok) return normalized
  const { bytes, outputHash, stateBytes, stateOut } = normalized.value
  return accepted({ leaf: outcomeLeaf(packetId, outputHash, stateOut), output: bytes, state: stateBytes })
}

try {
  await runAgent('normalize', answer)
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
}
