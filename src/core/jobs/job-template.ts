import { type Level, quorums } from '../level.ts'
import { TRIES_MAX } from '../rounds/coordinating/leave.ts'
import { type Stage, stagesOf, type Template } from '../rounds/template.ts'

export const JOB_MS_MAX = 30_000
/** Out of 100; what the overlay edition asks of an agent before it is offered work. */
export const MINIMUM_REPUTATION = 70

/** What a stage of work asks for, in the JSON shape that overlay clients know. Durations are milliseconds. */
export type JobTemplate = {
  readonly templateId: string
  readonly jobType: Stage
  /** Names for people; the wire's name is derived from each. */
  readonly overlayTopics: readonly string[]
  readonly agentRequirements: {
    readonly capabilities: readonly string[]
    readonly minimumReputation: number
    readonly geographicRestrictions?: readonly string[]
  }
  readonly processingConstraints: {
    readonly maxProcessingTime: number
    readonly maxRetries: number
    readonly requireConsensus: boolean
  }
  readonly outputRequirements: {
    readonly certificationLevel: Level
    readonly auditTrailRequired: boolean
    /** Distinct operators that must give the same answer: always the level's, never anybody's wish. */
    readonly consensusThreshold: number
  }
}

export type JobWishes = {
  readonly minimumReputation?: number
  readonly geographicRestrictions?: readonly string[]
  readonly maxProcessingMs?: number
}

export function jobTemplate(
  template: Template,
  stage: Stage,
  level: Level,
  wishes: JobWishes = {},
): JobTemplate {
  const { agreeing } = quorums[level]
  const regions = wishes.geographicRestrictions
  return {
    templateId: `${template}.${stage}.${level}`,
    jobType: stage,
    overlayTopics: [`gitdata.events.${stage}`],
    agentRequirements: {
      capabilities: [stage],
      minimumReputation: wishes.minimumReputation ?? MINIMUM_REPUTATION,
      ...(regions === undefined ? {} : { geographicRestrictions: regions }),
    },
    processingConstraints: {
      maxProcessingTime: wishes.maxProcessingMs ?? JOB_MS_MAX,
      maxRetries: TRIES_MAX - 1,
      requireConsensus: agreeing > 1,
    },
    outputRequirements: {
      certificationLevel: level,
      // The chain of spends is the trail: there is no work without it.
      auditTrailRequired: true,
      consensusThreshold: agreeing,
    },
  }
}

/** One per stage, in the order of the stages. */
export function jobTemplates(template: Template, level: Level, wishes?: JobWishes): JobTemplate[] {
  return stagesOf(template).map(stage => jobTemplate(template, stage, level, wishes))
}
