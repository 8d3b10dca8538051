import type { EventState } from '../core/jobs/lifecycle.ts'
import type { OutputLine } from '../core/work/stage-output.ts'

/** What the rules say of one event. `flagged`: it goes on, with issues; the last two do not. */
export type EventVerdict = 'passed' | 'flagged' | 'quarantined' | 'rejected'

export function verdictIn(line: OutputLine): EventVerdict {
  if (line.kind === 'quarantined') return line.entry.rejected === true ? 'rejected' : 'quarantined'
  return line.issues.length === 0 ? 'passed' : 'flagged'
}

export function issuesIn(line: OutputLine): readonly string[] {
  return line.kind === 'quarantined' ? line.entry.issues : line.issues
}

/** An event that its rules set aside is not certified: that it was set aside is, once its packet is. */
export function eventStateOf(packetState: EventState, line: OutputLine | undefined): EventState {
  const isCertified = packetState === 'certified' || packetState === 'anchored' || packetState === 'proven'
  if (!isCertified || line?.kind !== 'quarantined') return packetState
  return line.entry.rejected === true ? 'rejected' : 'quarantined'
}
