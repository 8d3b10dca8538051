import { type Level, levels, quorums } from '../level.ts'
import { isTemplate, type Stage, stagesOf, type Template, templates } from '../rounds/template.ts'

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

/** Of whoever gives jobs out. */
export type JobRules = {
  /** Out of 100; agents below it are asked only where too few others are left. */
  readonly minimumReputation: number
  /** None: anywhere. */
  readonly regions: readonly string[]
  readonly maxProcessingMs: number
  /** Further rounds that a packet may be in after its first, without a verdict. */
  readonly maxRetries: number
}

export function jobTemplate(template: Template, stage: Stage, level: Level, rules: JobRules): JobTemplate {
  const { agreeing } = quorums[level]
  const { minimumReputation, regions, maxProcessingMs, maxRetries } = rules
  return {
    templateId: jobTemplateId(template, stage, level),
    jobType: stage,
    overlayTopics: [`gitdata.events.${stage}`],
    agentRequirements: {
      capabilities: [stage],
      minimumReputation,
      ...(regions.length > 0 && { geographicRestrictions: regions }),
    },
    processingConstraints: {
      maxProcessingTime: maxProcessingMs,
      maxRetries,
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

/** What a job is listed with. */
export function jobTemplateId(template: Template, stage: Stage, level: Level): string {
  return `${template}.${stage}.${level}`
}

/** Each there is: of each kind of work, at each level, in the order of its stages. */
export function jobTemplates(rules: JobRules): JobTemplate[] {
  return Object.keys(templates)
    .filter(isTemplate)
    .flatMap(template =>
      levels.flatMap(level => stagesOf(template).map(stage => jobTemplate(template, stage, level, rules))),
    )
}
