import { type Level, levels, quorums } from '../core/level.ts'

/** As far as each could be read. */
export type ConsensusSettings = {
  readonly EVENT_CONSENSUS_REQUIRED?: boolean | undefined
  readonly EVENT_CONSENSUS_THRESHOLD?: number | undefined
}

/** The level of streams that name none. */
export function levelByDefault({
  EVENT_CONSENSUS_REQUIRED: required,
  EVENT_CONSENSUS_THRESHOLD: threshold,
}: Required<ConsensusSettings>): Level {
  const agreeing = required ? threshold : 1
  const level = levels.find(each => quorums[each].agreeing === agreeing)
  if (level === undefined) throw new Error(`no level asks ${agreeing} operators to agree`)
  return level
}

/** Where both are set and say different things, one of them would be passed over in silence. */
export function againstConsensus(
  { EVENT_CONSENSUS_REQUIRED: required, EVENT_CONSENSUS_THRESHOLD: threshold }: ConsensusSettings,
  isSet: (name: string) => boolean,
): string[] {
  const areBothSet = isSet('EVENT_CONSENSUS_REQUIRED') && isSet('EVENT_CONSENSUS_THRESHOLD')
  if (!areBothSet || required === undefined || threshold === undefined) return []
  const asksMoreThanOne = threshold > 1
  if (required === asksMoreThanOne) return []
  return [
    required
      ? 'EVENT_CONSENSUS_THRESHOLD: is 1, which is no consensus, and EVENT_CONSENSUS_REQUIRED is true; set 2 or 3, or EVENT_CONSENSUS_REQUIRED=false'
      : `EVENT_CONSENSUS_THRESHOLD: is ${threshold}, and EVENT_CONSENSUS_REQUIRED is false, under which one operator is enough; unset one of the two`,
  ]
}
