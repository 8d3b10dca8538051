import type { Audience } from '../audience.ts'
import type { Classification, Envelope } from './envelope.ts'

/** What a classification means to those who read a manifest's `policy.classification`. */
export const dataClassOf = {
  UNCLASSIFIED: 'public',
  CONFIDENTIAL: 'internal',
  SECRET: 'restricted',
  TOP_SECRET: 'restricted',
} as const satisfies Record<Classification, string>

/**
 * Why an event may not enter its stream, or undefined. What is published cannot be taken back and what is
 * quarantined can be released, so a tag asks for a restricted audience unless the stream's owner has named it
 * among `openTags`.
 */
export function audienceMismatch(
  event: Pick<Envelope, 'classification' | 'policyTags'>,
  audience: Audience,
  openTags: readonly string[] = [],
): AudienceMismatch | undefined {
  if (audience === 'restricted') return undefined
  const { classification = 'UNCLASSIFIED', policyTags = [] } = event
  if (dataClassOf[classification] !== 'public')
    return { reason: 'audience-mismatch', because: { classification } }
  const tag = policyTags.find(tag => !openTags.includes(tag))
  return tag === undefined ? undefined : { reason: 'audience-mismatch', because: { tag } }
}

export type AudienceMismatch = {
  readonly reason: 'audience-mismatch'
  readonly because: { readonly classification: Classification } | { readonly tag: string }
}
