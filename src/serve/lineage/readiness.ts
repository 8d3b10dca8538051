import { againstBlock, isLive, type NoProof, type SpvReason } from './check-carrier.ts'
import type { Carrier, Headers, Supersession } from './known-version.ts'
import { onOneChain } from './steady-headers.ts'

/** A version in a lineage, with all that carries it, the best first. */
export type LineageVersion = {
  readonly versionId: string
  /** Whether whoever asks may know of it. */
  readonly isKnown: boolean
  readonly carriers: readonly Carrier[]
}

export type ReadinessDeps = {
  /** Tells of the version asked for and of all it descends from, that one first, some at a time and no more than `limit`. */
  readonly readLineage: (
    versionId: string,
    limit: number,
    tell: (versions: readonly LineageVersion[]) => void,
  ) => Promise<void>
  readonly readSupersessions: (versionIds: readonly string[]) => Promise<readonly Supersession[]>
  readonly headers: Headers
  /** POLICY_MIN_CONFS. */
  readonly confirmationsMin: number
  readonly versionsMax: number
}

export type Reason =
  | 'headers-unavailable'
  | 'not-found'
  | 'policy-unknown'
  | 'lineage-too-long'
  | `missing-envelope:${string}`
  | SpvReason

/** The members before `assay` are DLM1's own. */
export type Verdict = {
  readonly ready: boolean
  readonly reason: Reason | null
  /** The least over the lineage, where all of it is in blocks. */
  readonly confirmations?: number
  readonly policy?: { readonly policyId: string; readonly known: false }
  readonly assay: {
    readonly versionId: string
    /** Looked at: the one asked for, and what it descends from. */
    readonly versions: number
    readonly confirmationsMin: number
    readonly tip: { readonly height: number; readonly hash: string } | null
    /** Whom the reason is about. */
    readonly because: string | null
    readonly supersededBy: readonly string[]
    readonly revoked: readonly Revoked[]
    /** Whose stored proof names a block that is not on the best chain any more. */
    readonly reorganised: readonly string[]
  }
}

export type Revoked = Pick<Carrier, 'versionId' | 'txid' | 'revokedBy' | 'coordinator'>

/** Of the lists beside a verdict. */
const NAMED_MAX = 16

/**
 * Whether a version and all that it descends from are in blocks deep enough, by the headers of this moment. What is stored
 * is read once: where the best chain changes meanwhile, it is held against the new one.
 */
export async function judgeReadiness(
  versionId: string,
  policyId: string | undefined,
  deps: ReadinessDeps,
): Promise<Verdict> {
  const { lineage, add } = openFolding(deps.versionsMax)
  await deps.readLineage(versionId, deps.versionsMax + 1, add)
  const supersessions = lineage.isThere ? await deps.readSupersessions([versionId]) : []
  const supersededBy = supersessions.map(({ by }) => by)
  return onOneChain(deps.headers, headers =>
    judge(versionId, policyId, { ...lineage, supersededBy }, { ...deps, headers }),
  )
}

async function judge(
  versionId: string,
  policyId: string | undefined,
  {
    versions,
    isCut,
    isThere,
    alike,
    revoked,
    supersededBy,
  }: Lineage & { readonly supersededBy: readonly string[] },
  { headers, confirmationsMin }: Pick<ReadinessDeps, 'headers' | 'confirmationsMin'>,
): Promise<Verdict> {
  const nothing = { versions: 0, because: null, supersededBy: [], revoked: [], reorganised: [] }
  const beside = { versionId, confirmationsMin, ...nothing }
  const policy = policyId === undefined ? {} : { policy: { policyId, known: false as const } }
  const tip = await headers.tip().catch(() => undefined)
  if (tip === undefined)
    return { ready: false, reason: 'headers-unavailable', ...policy, assay: { ...beside, tip: null } }
  if (!isThere) return { ready: false, reason: 'not-found', ...policy, assay: { ...beside, tip } }

  const judged = await judgeAll(alike.values(), headers)
  const confirmations = judged.highest === undefined ? undefined : tip.height - judged.highest + 1
  const against =
    judged.against ??
    (isCut ? { reason: 'lineage-too-long' as const, about: null } : undefined) ??
    (confirmations !== undefined && confirmations < confirmationsMin
      ? { reason: 'insufficient-confs' as const, about: judged.highestId }
      : undefined) ??
    (policyId === undefined ? undefined : { reason: 'policy-unknown' as const, about: null })
  return {
    ready: against === undefined,
    reason: against?.reason ?? null,
    ...(confirmations !== undefined && judged.against === undefined && !isCut && { confirmations }),
    ...policy,
    assay: {
      ...{ versionId, versions, confirmationsMin, tip },
      because: against?.about ?? null,
      supersededBy: supersededBy.slice(0, NAMED_MAX),
      revoked,
      reorganised: judged.reorganised,
    },
  }
}

/**
 * A lineage as far as its verdict goes: versions that the same blocks may prove stand or fall together, so it takes as much
 * memory as there are such blocks, however long it is.
 */
type Lineage = {
  versions: number
  isCut: boolean
  /** Whether the version asked for is there for whoever asks. */
  isThere: boolean
  readonly alike: Map<string, Alike>
  readonly revoked: Revoked[]
}

type Alike = {
  readonly isKnown: boolean
  readonly carriers: readonly Carrier[]
  /** The first of them, with their places in the lineage. */
  readonly named: { readonly versionId: string; readonly place: number }[]
}

function openFolding(versionsMax: number) {
  const lineage: Lineage = { versions: 0, isCut: false, isThere: false, alike: new Map(), revoked: [] }
  const addOne = ({ versionId, isKnown, carriers }: LineageVersion) => {
    if (lineage.versions === versionsMax) {
      lineage.isCut = true
      return
    }
    const place = lineage.versions++
    if (place === 0) lineage.isThere = isKnown
    const live = carriers.filter(isLive)
    const key = isKnown ? live.map(({ block }) => block && `${block.height} ${block.root}`).join() : 'unknown'
    const those = lineage.alike.get(key) ?? { isKnown, carriers: live, named: [] }
    lineage.alike.set(key, those)
    if (those.named.length < NAMED_MAX) those.named.push({ versionId, place })
    if (!isKnown) return
    for (const { state, txid, revokedBy, coordinator } of carriers)
      if (state === 'revoked' && lineage.revoked.length < NAMED_MAX)
        lineage.revoked.push({ versionId, txid, revokedBy, coordinator })
  }
  return { lineage, add: (versions: readonly LineageVersion[]) => versions.forEach(addOne) }
}

type Judged = {
  readonly against: { readonly reason: Reason; readonly about: string } | undefined
  readonly highest: number | undefined
  readonly highestId: string | null
  readonly reorganised: readonly string[]
}

/** The first of them that is not proven says why; they come in the order of the first version of each. */
async function judgeAll(alike: Iterable<Alike>, headers: Headers): Promise<Judged> {
  let [against, highest, highestId]: [Judged['against'], number | undefined, string | null] = [
    undefined,
    undefined,
    null,
  ]
  const reorganised: Alike['named'] = []
  for (const { isKnown, carriers, named } of alike) {
    const first = named[0]?.versionId ?? ''
    const one = isKnown ? await judgeOne(carriers, headers) : { why: 'missing-envelope' as const }
    if ('height' in one) {
      if (highest === undefined || one.height > highest) [highest, highestId] = [one.height, first]
    } else {
      against ??= { reason: reasonOf(one.why, first), about: first }
      if (one.why === 'unknown-block-hash' || one.why === 'merkle-root-unavailable')
        reorganised.push(...named)
    }
  }
  const inOrder = reorganised.sort((a, b) => a.place - b.place).slice(0, NAMED_MAX)
  return { against, highest, highestId, reorganised: inOrder.map(({ versionId }) => versionId) }
}

async function judgeOne(
  carriers: readonly Carrier[],
  headers: Headers,
): Promise<{ readonly height: number } | { readonly why: NoProof }> {
  let why: NoProof = 'missing-envelope'
  for (const carrier of carriers) {
    const root = carrier.block === null ? undefined : await headers.rootAt(carrier.block.height)
    const against = againstBlock(carrier, root === undefined ? undefined : { root })
    if (against === undefined && carrier.block !== null) return { height: carrier.block.height }
    if (why === 'missing-envelope' && against !== undefined) why = against
  }
  return { why }
}

function reasonOf(why: NoProof, versionId: string): Reason {
  return why === 'missing-envelope' ? `missing-envelope:${versionId}` : why
}
