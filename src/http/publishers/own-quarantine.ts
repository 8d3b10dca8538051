import type { OwnQuarantineQuestion } from '../../adapters/publishers/own-quarantine.ts'
import type { ListedItem } from '../../adapters/quarantine/read-quarantine.ts'
import type { Authority } from '../../ingest/may-decide.ts'
import type { HeldItem, ReleaseOutcome, ReleaseRequest, Step } from '../../ingest/release.ts'

type Asking = { readonly identityKey: string; readonly id: number; readonly seen: string }

/** What was set aside of what is a publisher's own, and what they may do with it. What is somebody else's is as nothing. */
export type OwnQuarantine = {
  /** The newest first. */
  list(
    question: Omit<OwnQuarantineQuestion, 'reasons'> & { readonly reasons?: readonly string[] },
  ): Promise<readonly ListedItem[]>
  inspect(id: number, identityKey: string): Promise<OwnItem | undefined>
  release(request: Asking & Pick<ReleaseRequest, 'edit' | 'streamId' | 'override'>): Promise<OwnRelease>
  waive(request: Asking & { readonly why: string }): Promise<OwnWaive>
}

export type OwnItem = {
  readonly item: HeldItem
  readonly authority: Authority
  readonly steps: readonly Step[]
}

/** `closed`: the node takes nothing in at all. */
export type OwnRelease = ReleaseOutcome | { readonly kind: 'closed' }

export type OwnWaive =
  | { readonly kind: 'waived'; readonly item: HeldItem }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'overtaken'; readonly version: string }
  | { readonly kind: 'stays'; readonly state: HeldItem['state'] }
