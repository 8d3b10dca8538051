import { canonicalJson, type Json } from '../canonical-json.ts'
import { digestHex } from '../digest.ts'
import type { ConstantMember } from '../event/line.ts'
import type { FusionPolicy } from '../fusion/read-fusion.ts'
import type { Severity } from '../issue.ts'
import type { Pointer } from '../path.ts'
import type { Rule } from '../rules/read-rules.ts'
import type { Coercion } from './coercion.ts'

/**
 * Everything a publisher decides about a stream, in its canonical form: one spelling per meaning, so that two
 * spellings of one policy have one digest. Made by readPolicySet only.
 */
export type PolicySet = {
  readonly v: 1
  readonly owner?: Owner
  readonly license: string
  readonly classification: DataClass
  /** Envelope members that the packet header states once and the lines leave out. */
  readonly constants?: readonly ConstantMember[]
  readonly stateBytesMax?: number
  /** By sourceId; "*" is for every source without an entry of its own. */
  readonly sources: { readonly [sourceId: string]: SourcePolicy }
  /** Applied to every event of the stream, after its source's own. */
  readonly rules?: readonly Rule[]
  readonly fusion?: FusionPolicy
}

type Owner = { readonly identityKey: string; readonly name?: string }

/** The classes a DLM1 manifest knows. */
export const dataClasses = ['public', 'internal', 'restricted', 'clinical-research'] as const
export type DataClass = (typeof dataClasses)[number]

export const LICENSE_DEFAULT = 'unspecified'

export type SourcePolicy = {
  readonly identify?: Identify
  /** Field of the normalised payload ← where it stands in the submitted one. */
  readonly map?: Fields<Pointer>
  readonly constants?: Fields<Json>
  readonly defaults?: Fields<Json>
  readonly required?: readonly Pointer[]
  readonly coercion?: Fields<Coercion>
  /** Only what differs from NORMALIZE_SEVERITY. */
  readonly severity?: { readonly [code in NormalizeIssue]?: Severity }
  readonly rules?: readonly Rule[]
}

/** Keyed by field, in ascending order. */
export type Fields<T> = { readonly [field: Pointer]: T }

/** Where ingest finds what an event is identified by; paths into the submitted payload. */
export type Identify = {
  readonly nativeId?: Pointer
  readonly eventTime?: Pointer
  readonly sourceSeq?: Pointer
}

/** What normalising can find wrong. */
export const normalizeIssues = [
  'required-missing',
  'coercion-NaN',
  'coercion-failed',
  'mapping-failed',
] as const
export type NormalizeIssue = (typeof normalizeIssues)[number]

/** Unless the policy says otherwise: a payload that is not what its policy promises goes no further unseen. */
export const NORMALIZE_SEVERITY: Severity = 'quarantine'

const digests = new WeakMap<PolicySet, string>()

/** What packets name. A set never changes, so its digest is taken once. */
export function policyDigest(set: PolicySet): string {
  let digest = digests.get(set)
  if (digest === undefined) {
    digest = digestHex('assay:policy:1', canonicalJson(set))
    digests.set(set, digest)
  }
  return digest
}

/** A source that no entry speaks for has an empty policy: its payload passes as it is. */
export function sourcePolicyOf(set: PolicySet, sourceId: string): SourcePolicy {
  const own = Object.hasOwn(set.sources, sourceId) ? set.sources[sourceId] : undefined
  return own ?? set.sources['*'] ?? emptyPolicy
}

const emptyPolicy: SourcePolicy = {}
