import { accepted, type Outcome } from '../core/fault.ts'
import { openPacket } from '../core/log/packet.ts'
import { explain } from '../core/policy/explain.ts'
import type { Step } from '../core/policy/normalize-event.ts'
import { readState } from '../core/rules/carried-state.ts'
import { checkPolicy } from '../core/work/stage-output.ts'
import { readProof } from './proof.ts'
import { checkState, type ReplayMaterial } from './replay.ts'

/** What each part of the policies did to the event of a proof, with what those before it left in the memory of rules. */
export function explainProof(
  text: string,
  { lines, policySet, state }: ReplayMaterial,
): Outcome<readonly Step[]> {
  const proof = readProof(text)
  if (!proof.ok) return proof
  const { packet, event, manifest } = proof.value
  const named = checkPolicy(packet.header, policySet)
  if (!named.ok) return named
  const fits = checkState(manifest.provenance.assay.stateIn, state)
  if (!fits.ok) return fits
  const [events, carried] = [openPacket(packet.header, lines), readState(state)]
  if (!events.ok) return events
  if (!carried.ok) return carried
  let steps: readonly Step[] = []
  for (const each of events.value.slice(0, event.index + 1)) steps = explain(policySet, each, carried.value)
  return accepted(steps)
}
