import type { Level } from '../level.ts'
import { ROUND_PACKETS_MAX } from './round.ts'

/** The stages that work of each kind passes, in order. Which templates a host admits is its configuration. */
export const templates = {
  /** Events: every packet of a round, one member each. */
  packet: { stages: ['normalize', 'validate', 'certify'], membersMax: ROUND_PACKETS_MAX },
  /** A statement over packets already certified. It is one thing, so its only member is 0; it never certifies events. */
  aggregate: { stages: ['certify'], membersMax: 1 },
} as const satisfies Record<string, { stages: readonly Stage[]; membersMax: number }>

export type Template = keyof typeof templates

/** Every stage that any template has. */
export const stages = ['normalize', 'validate', 'certify'] as const
export type Stage = (typeof stages)[number]

/** Whether work at this stage begins with what the packets before have left: at `critical` certify does all of it again. */
export function carriesState(stage: Stage, level: Level): boolean {
  return stage === 'validate' || (stage === 'certify' && level === 'critical')
}

export function isTemplate(text: unknown): text is Template {
  return typeof text === 'string' && Object.hasOwn(templates, text)
}

export function stagesOf(template: Template): readonly Stage[] {
  return templates[template].stages
}

/** undefined after the last one: what follows then is the certificate. */
export function stageAfter(template: Template, stage: Stage): Stage | undefined {
  const stages = stagesOf(template)
  return stages[stages.indexOf(stage) + 1]
}
