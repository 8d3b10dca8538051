/** agents: packets go to them. local: this node processes packets by itself, up to validated. waiting: nothing is done. */
export type Mode = 'agents' | 'local' | 'waiting'

export type ModeRules = {
  /** False: agents are never asked. */
  readonly orchestrated: boolean
  /** What is done while agents cannot be. */
  readonly degraded: 'local' | 'wait'
  /** Behind by more events than this a node counts as degraded, until it is down to half of them. */
  readonly backlogEvents: number
  /** What is missing for less than this is not missing: agents come and go, and coins wait for a block. */
  readonly patienceMs: number
}

export const DEGRADED_PATIENCE_MS = 5_000

export type ModeSituation = {
  /** Enough operators can be reached for whatever waits. */
  readonly seatable: boolean
  readonly hasFuel: boolean
  /** In packets of which there is no certificate yet. */
  readonly backlogEvents: number
  readonly nowMs: number
}

export type ModeState = {
  readonly mode: Mode
  readonly why: DegradedWhy | undefined
  /** Since when agents or fuel are missing; undefined while they are not. */
  readonly missingSinceMs: number | undefined
}

export type DegradedWhy = 'off' | 'no-agents' | 'no-fuel' | 'backlog'

export const modeAtFirst: ModeState = { mode: 'agents', why: undefined, missingSinceMs: undefined }

/** `before`: what it was so far, so that it does not flicker between the two. */
export function modeAfter(before: ModeState, situation: ModeSituation, rules: ModeRules): ModeState {
  if (!rules.orchestrated) return { mode: 'local', why: 'off', missingSinceMs: undefined }
  const { seatable, hasFuel, backlogEvents, nowMs } = situation
  const isMissing = !seatable || !hasFuel
  const missingSinceMs = isMissing ? (before.missingSinceMs ?? nowMs) : undefined
  const backlogMax = before.why === 'backlog' ? rules.backlogEvents / 2 : rules.backlogEvents
  const why = whyDegraded()
  const mode = why === undefined ? 'agents' : rules.degraded === 'local' ? 'local' : 'waiting'
  return { mode, why, missingSinceMs }

  function whyDegraded(): DegradedWhy | undefined {
    const isLong = missingSinceMs !== undefined && nowMs - missingSinceMs >= rules.patienceMs
    if (isLong) return seatable ? 'no-fuel' : 'no-agents'
    return backlogEvents > backlogMax ? 'backlog' : undefined
  }
}
